"""Errors and seconds of models on images, one a row, with their defaults.

python -m benchmarks.accuracy.images --data-dir DIR [--sets digits,mnist_5k] [--models conv,svm] [--seeds 5] --out FILE.jsonl

"conv" is ConvTaskNeuronClassifier or ConvTaskNeuronRegressor, which finds its formula; "svm" a support vector machine with
radial basis functions, all pixels in the same units; the other models see a table. Options, file and report are those of
python -m benchmarks.accuracy; "digits" are those of scikit-learn.
"""

import sys

from sklearn.svm import SVC, SVR

from benchmarks.accuracy import models
from benchmarks.accuracy.run import read_options, run, show


def conv(task, seed, n_threads):
    """Return our estimator for images with its defaults."""
    from sklearn_taskneurons import ConvTaskNeuronClassifier, ConvTaskNeuronRegressor

    return (ConvTaskNeuronClassifier if task == "classification" else ConvTaskNeuronRegressor)(random_state=seed)


def svm(task, seed, n_threads):
    """Return a support vector machine; its scale of distances follows from the spread of all pixels."""
    return SVC() if task == "classification" else SVR()


MODELS = {"conv": conv, "svm": svm} | {name: models.MODELS[name] for name in ("taskneuron", "mlp", "hist_gb", "linear")}


def main(arguments=None):
    """Measure what is not in the file yet, and report."""
    options = read_options(arguments, __doc__, list(MODELS), seeds=5)
    if "conv" in options.models:
        options.compare = options.compare or ["conv"]
    if not options.report:
        run(options, {None: MODELS})
    show(options)


if __name__ == "__main__":
    sys.exit(main())
