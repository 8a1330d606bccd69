"""A classifier that is a convolutional network of task-based neurons."""

from typing import Any, ClassVar

from sklearn_taskneurons._conv_task_neuron._base import BaseConvTaskNeuron
from sklearn_taskneurons._network import NetworkClassifierMixin


class ConvTaskNeuronClassifier(NetworkClassifierMixin, BaseConvTaskNeuron):
    """Classification of images with a convolutional network whose neurons are found for the task.

    An autoencoder reduces the images to codes, vectorized symbolic regression over the codes finds a formula in which every
    feature undergoes the same computation, each of its terms gets learnable kernels, and a network of such convolutions
    is trained to the least cross-entropy [1]_. The formula is searched for the indicators of the classes. Pixels are
    scaled and bounded inside.

    Parameters
    ----------
    formula : "auto", str or Formula, default="auto"
        The formula of the convolutions. "auto" searches candidates over the codes of an autoencoder of the images and takes
        the one whose neurons do best on held-out codes, see the Notes; a text such as ``"x**2 + x"`` or a :class:`Formula` is
        taken as it is, and no autoencoder is trained. Only its terms matter: every term gets kernels of its own.
    image_shape : tuple of int or None, default=None
        The channels, the height and the width of an image, (C, H, W), where `X` has its pixels as columns: the rows of the
        first channel, one after the other, then those of the second. None takes a square number of columns for square images
        of one channel, as in scikit-learn's digits, and any other number for images of a single line, (1, 1, n_features). `X`
        may also be an array (n_samples, C, H, W), or (n_samples, H, W) of one channel, which says it itself; where it looks
        as if its channels came last, `image_shape` must confirm it.
    search : VSRRegressor, VSRClassifier or None, default=None
        How "auto" searches. It is cloned, sees the scaled codes and the classes' indicators, or the labels for a classifier,
        and its parameters can be reached as ``search__generations``, not those of None, which tries all polynomials of
        degree 2 at most, and beside what it finds the products of inner products. Its ``selection="auto"`` is "bic".
    code_size : int or "auto", default="auto"
        How many numbers the autoencoder makes of an image, at least 1; "auto" is 16, and never more than pixels.
    channels : int or sequence of int, default=(32, 64)
        The number of kernels of each convolution for each of the formula's terms, one block after the other.
    kernel_size : int or tuple of int, default=3
        The height and the width of the kernels, odd numbers.
    pooling : {"max", "average"}, default="max"
        What is taken of each patch of positions after a convolution.
    pool_size : int, tuple of int or "auto", default="auto"
        The height and the width of the patch; "auto" is 2 along each axis on which something is left after all poolings,
        else 1.
    hidden_layer_sizes : int or sequence of int, default=(64,)
        The number of linear neurons of each hidden layer after the convolutions. An empty sequence is none.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        What is applied after each convolution and to the hidden layers.
    max_shift : int or "auto", default="auto"
        By how many pixels at the most the images of a batch are shifted along each axis while the network is trained, each
        at random; the pixels of an edge are repeated. "auto" is 1 for images with sides of at least 8, else 0.
    horizontal_flip : bool, default=False
        Whether half of them, at random, are mirrored left to right.
    n_members : int, default=1
        The number of networks, at least 1, trained side by side. Each has its own initial weights, order of images, held-out
        images and best epoch; their predictions are averaged.
    max_epochs : int or "auto", default="auto"
        The largest number of passes over the training images, at least 1, of the network and before of the autoencoder; "auto"
        is as many as it takes to make 1000 steps, but from 20 to 300.
    batch_size : int or "auto", default="auto"
        The number of images of a gradient step, at least 1; "auto" is ``min(64, n_samples)``.
    lr : float, default=0.002
        The learning rate of AdamW [2]_, above 0.
    weight_decay : float or "auto", default=0.05
        Its decoupled weight decay, at least 0. "auto" is 200 divided by the number of images, at most 1.
    early_stopping : bool or "auto", default="auto"
        Hold out `validation_fraction` of the images, for each member others, keep its weights of the epoch with the lowest
        loss on them, and stop after `n_iter_no_change` epochs without a lower one. "auto" does so where that holds out at
        least 10 images; fewer are worth more for training. It holds for the autoencoder, too.
    validation_fraction : float, default=0.1
        The fraction of the images held out, in (0, 1); for classes, in proportion.
    n_iter_no_change : int, default=20
        After how many epochs without an improvement training ends, at least 1.
    tol : float, default=1e-4
        The smallest relative improvement of the loss that counts as one, at least 0.
    max_time : float or None, default=None
        The seconds, above 0, after which no further batch is begun, autoencoder and search included; the best
        weights so far are kept.
    device : str or torch.device, default="cpu"
        Where the networks are trained: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where there is one. On the CPU they are
        trained by one thread, so that the same seed gives the same model on any machine of its kind.
    callbacks : list of skorch callbacks or None, default=None
        Copies of them watch the training of the network, and go on where it goes on, unless others are given; see
        ``net_.callbacks_``. None that scores (``EpochScoring``, ``BatchScoring``): each member has its own held-out images.
    verbose : int, default=0
        With 1 and more, skorch reports each epoch, first those of the autoencoder.
    warm_start : bool, default=False
        Whether `fit` goes on training the network that is there, with its scaling and formula. As in
        `partial_fit`, what says what the network is, such as `hidden_layer_sizes`, must then be as it was; what says how it is
        trained, such as `lr`, counts as it is now, and "auto" remains what it was for the first rows.
    label_smoothing : float or "auto", default="auto"
        The part of the probability of an image's class that is spread over all classes while the network is trained, in [0, 1).
        "auto" is 0.1, or less where it would raise the mean probability of the rarest class by more than a tenth of its share
        of the first images. It is taken out of the probabilities that are predicted.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, by label, at least 0; "balanced" weighs every class the same, whatever its number of images. One
        of weight 0 is not learned, but remains one of ``classes_``.
    random_state : int, RandomState instance or None, default=None
        Decides the held-out images, the autoencoder, the search, the initial weights, and the order and the shifts of the
        images. An int gives the same model every time.

    Attributes
    ----------
    formula_ : Formula
        The formula of the convolutions.
    formula_candidates_ : list of Candidate
        What `formula_` was chosen from, as in :class:`TaskNeuronClassifier`; only where ``formula="auto"``.
    search_ : VSRRegressor or VSRClassifier
        The search over the codes that `encode` returns, with its ``formula_``, ``pareto_front_`` and ``history_``; only where
        ``formula="auto"``.
    autoencoder_ : skorch.NeuralNet
        The trained autoencoder, with ``module_`` and ``history``; only where ``formula="auto"``.
    code_scaler_ : ColumnScaler
        The scaling of the codes; only where ``formula="auto"``.
    net_ : skorch.NeuralNet
        The trained network, with ``module_`` and ``history``; ``net_.module_.member`` returns a copy of a member, a
        :class:`nn.TaskNeuronCNN`.
    image_shape_ : tuple of int
        The channels, the height and the width of an image.
    scaler_ : ColumnScaler
        The scaling of the pixels, the same for all pixels of a channel: ``center``, ``scale`` and ``limit``.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    loss_curve_ : list of float
        The mean training loss of each epoch.
    validation_loss_curve_ : list of float
        The loss on the held-out images after each epoch; empty without early stopping.
    n_iter_ : int
        The number of epochs trained.
    n_parameters_ : int
        The number of weights and biases.
    n_multiplications_ : int
        The number of multiplications by weights for an image, the FLOPs of [1]_: each weight of a kernel once for each
        position.
    n_features_in_ : int
        The number of pixels, over all channels.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        The names of the columns; only where the data had string names.

    See Also
    --------
    TaskNeuronClassifier : The same for tables.
    nn.TaskNeuronCNN : The network.
    nn.convert_layers : Task-based neurons in any other network.

    Notes
    -----
    With ``formula="auto"`` a convolutional autoencoder is trained first, to reconstruct the images from their codes. From
    then on the codes are a table, and as in :class:`TaskNeuronClassifier` small fully connected networks of the candidates
    are compared on held-out rows of it. The formula of the best neurons becomes that of the convolutions. Each of its terms
    costs as much as a conventional convolution, a product of inner products as much as two, and the degrees of blocks
    that follow each other multiply: therefore the search tries no higher degree than 2.

    References
    ----------
    .. [1] F.-L. Fan et al., "No One-Size-Fits-All Neurons: Task-based Neurons for Artificial Neural Networks",
       :arxiv:`2405.02369`.
    .. [2] I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, :arxiv:`1711.05101`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_taskneurons import ConvTaskNeuronClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvTaskNeuronClassifier("x**2 + x", channels=(8,), lr=0.01, max_epochs=20, random_state=0)
    >>> model.fit(X[::3], y[::3]).score(X[1::3], y[1::3]) > 0.9
    True
    >>> model.predict_proba(X[:2].reshape(2, 1, 8, 8)).shape
    (2, 10)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = (
        BaseConvTaskNeuron._parameter_constraints | NetworkClassifierMixin._classifier_constraints
    )

    def __init__(
        self,
        formula="auto",
        *,
        image_shape=None,
        search=None,
        code_size="auto",
        channels=(32, 64),
        kernel_size=3,
        pooling="max",
        pool_size="auto",
        hidden_layer_sizes=(64,),
        activation="relu",
        max_shift="auto",
        horizontal_flip=False,
        n_members=1,
        max_epochs="auto",
        batch_size="auto",
        lr=2e-3,
        weight_decay=0.05,
        early_stopping="auto",
        validation_fraction=0.1,
        n_iter_no_change=20,
        tol=1e-4,
        max_time=None,
        device="cpu",
        callbacks=None,
        verbose=0,
        warm_start=False,
        label_smoothing="auto",
        class_weight=None,
        random_state=None,
    ):
        super().__init__(
            formula,
            image_shape=image_shape,
            search=search,
            code_size=code_size,
            channels=channels,
            kernel_size=kernel_size,
            pooling=pooling,
            pool_size=pool_size,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            max_shift=max_shift,
            horizontal_flip=horizontal_flip,
            n_members=n_members,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            weight_decay=weight_decay,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            max_time=max_time,
            device=device,
            callbacks=callbacks,
            verbose=verbose,
            warm_start=warm_start,
            random_state=random_state,
        )
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
