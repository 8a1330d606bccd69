"""A classifier that is a network of task-based neurons."""

from typing import Any, ClassVar

from sklearn_taskneurons._network import NetworkClassifierMixin
from sklearn_taskneurons._task_neuron._base import BaseTaskNeuron


class TaskNeuronClassifier(NetworkClassifierMixin, BaseTaskNeuron):
    """Classification with a network whose neurons are found for the task.

    Vectorized symbolic regression finds a formula in which every feature undergoes the same computation; each of its
    terms gets learnable weights, and a network of such neurons is trained to the least cross-entropy [1]_. The formula is
    searched for the indicators of the classes. Inputs are scaled and bounded inside.

    Parameters
    ----------
    formula : "auto", str or Formula, default="auto"
        The formula of the neurons of the first layer. "auto" searches candidates on the rows that `fit` is given and takes
        the one whose neurons do best on held-out rows of these, see the Notes;
        a text such as ``"x**3 + x"`` or a :class:`Formula` is taken as it is. Only its terms matter: every term gets
        weights of its own, which replace the formula's constants.
    search : VSRRegressor, VSRClassifier or None, default=None
        How "auto" searches. It is cloned, sees the scaled inputs and the indicators of the classes, or for a classifier the
        labels, and its parameters can be reached as ``search__generations``, not those of None, which tries all polynomials,
        of degree 8 at most, and beside what it finds the products of inner products. Its ``selection="auto"`` is "bic".
    hidden_layer_sizes : int or sequence of int, default=(64, 32)
        The number of neurons of each hidden layer, each at least 1. An empty sequence is a single layer of neurons.
    hidden_formula : str or Formula, default="x"
        The formula of the neurons of all further layers, that of the outputs included: the formula found is one of the
        features, and only the first layer meets these.
    elementwise_affine : bool, default=True
        Whether the network first scales and shifts each feature by learned numbers, 1 and 0 at first, and then bounds it to
        (-3, 3): so it learns for each how much of the bend of the powers it takes, and where.
    embedding_size : int or "auto", default="auto"
        The number of learned functions of each feature that the first hidden layer has beside the formula's terms, for what
        powers cannot follow, such as steps: ``relu`` of sums of eight cosines with learned frequencies [3]_. 0 for none;
        "auto" is 4 from 2,000 rows on, and 0 for fewer, which do not teach them.
    activation : {"auto", "identity", "logistic", "tanh", "relu", "mixed"}, default="auto"
        What is applied to the neurons of the hidden layers; "mixed" is "tanh" for half of them and "relu" for the others.
        "auto" is "mixed" from 2,000 rows on, and "tanh" for fewer.
    n_members : int, default=4
        The number of networks, at least 1, that are trained side by side, by batched matrix products. Each has its own initial
        weights, order of rows, held-out rows and best epoch; their predictions are averaged.
    solver : {"muon", "adamw"}, default="muon"
        What moves the weights. "muon" moves the weight matrices of the hidden layers, the first one among them, such that the
        speeds of different directions come closer together [4]_, and all else by AdamW [2]_; "adamw" moves everything by
        AdamW. A step of Muon takes longer, the more so the wider the layers are.
    max_epochs : int or "auto", default="auto"
        The largest number of passes over the training rows, at least 1; "auto" is as many as it takes to make 1000 steps,
        but from 15 to 500, and with "adamw", or where a hidden layer has less than 8 units or there is none, 2000 steps in 30
        to 500 epochs.
    batch_size : int or "auto", default="auto"
        The number of rows of a gradient step, at least 1; "auto" is ``min(256, n_rows)``.
    lr : float, default=0.01
        The learning rate, above 0. The entries of a matrix that Muon moves move by about 0.4 of it at most, in the root mean
        square.
    weight_decay : float or "auto", default="auto"
        The decoupled weight decay, at least 0. "auto" is 200 divided by the number of rows, at most 1.
    early_stopping : bool or "auto", default="auto"
        Hold out `validation_fraction` of the rows, for each member others, keep its weights of the epoch with the lowest
        loss on them, and stop after `n_iter_no_change` epochs without a lower one. "auto" does so where that holds out at
        least 10 rows; fewer are worth more for training, which then stops only when the training loss no longer falls.
    validation_fraction : float, default=0.1
        The fraction of the rows held out, in (0, 1); for classes, in proportion.
    n_iter_no_change : int, default=20
        After how many epochs without an improvement training ends, at least 1. Where `max_epochs` is no larger, as "auto" is
        with more than about 12,500 rows, it has no effect.
    tol : float, default=1e-4
        The smallest relative improvement of the loss that counts as one, at least 0.
    scaling : {"mixed", "robust", "standard"} or None, default="mixed"
        How columns are scaled. "robust" is by median and interquartile range, "standard" by mean and standard deviation;
        both then bound z smoothly to (-3, 3) by ``z / sqrt(1 + (z / 3)**2)``, since powers of outliers explode. "mixed" is
        "robust" and beside it the rank, as the quantile of a normal distribution from -3 to 3 that belongs to it; each
        network learns for each feature how much to take of both, and begins with the first. None takes the columns as they
        are, and the first layer bounds them in the same way. With ``elementwise_affine=False`` nothing is learned of "mixed":
        it is the mean of both.
    max_time : float or None, default=None
        The seconds, above 0, after which no further batch is begun, the search included; the best weights so far are kept.
    device : str or torch.device, default="cpu"
        Where the network is trained: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where there is one.
    callbacks : list of skorch callbacks or None, default=None
        Copies of them watch the training, and go on where it goes on, unless others are given; see ``net_.callbacks_``. None
        that scores (``EpochScoring``, ``BatchScoring``): each member has its own held-out rows.
    verbose : int, default=0
        With 1 and more, skorch reports each epoch.
    warm_start : bool, default=False
        Whether `fit` goes on training the network that is there, with its scaling and formula. As in
        `partial_fit`, what says what the network is, such as `hidden_layer_sizes`, must then be as it was; what says how it is
        trained, such as `lr`, counts as it is now, and "auto" remains what it was for the first rows.
    label_smoothing : float or "auto", default="auto"
        The part of the probability of a row's class that is spread over all classes while the network is trained, in [0, 1).
        "auto" is 0.1, or less where it would raise the mean probability of the rarest class by more than a tenth of its share
        of the first rows. It is taken out of the probabilities that are predicted.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, by label, at least 0; "balanced" weighs every class the same, whatever its number of rows. One
        of weight 0 is not learned, but remains one of ``classes_``.
    random_state : int, RandomState instance or None, default=None
        Decides the held-out rows, the search, the initial weights and the order of rows. An int gives the same model
        every time.

    Attributes
    ----------
    formula_ : Formula
        The formula of the neurons, over the scaled inputs. A ``w`` in it stands for a vector with an entry for each
        feature.
    formula_candidates_ : list of Candidate
        What `formula_` was chosen from: ``formula``, ``complexity`` (its nodes), ``score`` (what the search says of it, the
        larger the better; nan where it has not found it), ``loss`` (that on held-out rows; nan where there was no
        comparison) and ``chosen``, the simplest first; only where ``formula="auto"``. ``pandas.DataFrame`` makes a table of it.
    search_ : VSRRegressor or VSRClassifier
        The fitted search with its ``formula_``, ``pareto_front_`` and ``history_``; only where ``formula="auto"``.
    net_ : skorch.NeuralNet
        The trained network, with ``module_`` and ``history``.
    scaler_ : ColumnScaler or MixedScaler
        The scaling of the columns: ``center``, ``scale`` and ``limit``; with "mixed" `columns` has them, and `scores` the
        values whose ranks are known.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    loss_curve_ : list of float
        The mean training loss of each epoch.
    validation_loss_curve_ : list of float
        The loss on the held-out rows after each epoch; empty without early stopping.
    n_iter_ : int
        The number of epochs trained.
    n_parameters_ : int
        The number of weights and biases.
    n_multiplications_ : int
        The number of weights, which is the number of multiplications for a row: the FLOPs of [1]_.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        The names of the features; only where the data had string names.

    Notes
    -----
    With ``formula="auto"`` the candidates are the linear neuron, ``x``, the three best formulas of the front of the search, and
    where `search` is None also the powers up to 3 and up to 5, and ``dot(w, x)*dot(w, x)`` beside each of these, the linear
    neuron and the best formula. Small networks of all candidates, on two to four splits, are trained side by side as one
    batched network, a little more than 100 steps of AdamW on three quarters of the rows, 1024 at most. The loss on the others
    decides: the simplest candidate is chosen whose loss is at most 2 % above the lowest. This takes the same time for any
    number of rows. With fewer than 80 rows, or where `max_time` ends the comparison before its first epoch, the best formula of
    the search is chosen.

    References
    ----------
    .. [1] F.-L. Fan et al., "No One-Size-Fits-All Neurons: Task-based Neurons for Artificial Neural Networks",
       :arxiv:`2405.02369`.
    .. [2] I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, :arxiv:`1711.05101`.
    .. [3] Y. Gorishniy, I. Rubachev, A. Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning",
       NeurIPS 2022, :arxiv:`2203.05556`.
    .. [4] K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
       https://kellerjordan.github.io/posts/muon/.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_taskneurons import TaskNeuronClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = TaskNeuronClassifier("x**2 + x", hidden_layer_sizes=(8,), random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    >>> model.predict_proba(X[:2]).shape
    (2, 3)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = (
        BaseTaskNeuron._parameter_constraints | NetworkClassifierMixin._classifier_constraints
    )

    def __init__(
        self,
        formula="auto",
        *,
        search=None,
        hidden_layer_sizes=(64, 32),
        hidden_formula="x",
        elementwise_affine=True,
        embedding_size="auto",
        activation="auto",
        n_members=4,
        solver="muon",
        max_epochs="auto",
        batch_size="auto",
        lr=1e-2,
        weight_decay="auto",
        early_stopping="auto",
        validation_fraction=0.1,
        n_iter_no_change=20,
        tol=1e-4,
        scaling="mixed",
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
            search=search,
            hidden_layer_sizes=hidden_layer_sizes,
            hidden_formula=hidden_formula,
            elementwise_affine=elementwise_affine,
            embedding_size=embedding_size,
            activation=activation,
            n_members=n_members,
            solver=solver,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            weight_decay=weight_decay,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            scaling=scaling,
            max_time=max_time,
            device=device,
            callbacks=callbacks,
            verbose=verbose,
            warm_start=warm_start,
            random_state=random_state,
        )
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
