"""What each part of the estimators' defaults contributes: the defaults with one part changed.

python -m benchmarks.accuracy.recipe --data-dir DIR --validation --max-rows 2000 --seeds 1 --out FILE.jsonl

All have the neurons `x**3 + x**2 + x`, so that nothing depends on which formula is found. Options, file and report are those of
python -m benchmarks.accuracy.
"""

import sys

from benchmarks.accuracy import models
from benchmarks.accuracy.run import read_options, run, show

CHANGES: dict[str, dict] = {
    "defaults": {},
    "adamw": {"solver": "adamw"},
    "linear": {"formula": models.LINEAR},
    "robust": {"scaling": "robust"},
    "standard": {"scaling": "standard"},
    "no_affine": {"elementwise_affine": False},
    "all_layers": {"hidden_formula": models.GENERIC},
    "no_embedding": {"embedding_size": 0},
    "embedding": {"embedding_size": 4},
    "mixed": {"activation": "mixed"},
    "tanh": {"activation": "tanh"},
    "smooth": {"embedding_size": 0, "activation": "tanh", "hidden_layer_sizes": (96, 48)},
    "relu": {"activation": "relu"},
    "narrow": {"hidden_layer_sizes": (32, 16)},
    "wide": {"hidden_layer_sizes": (96, 48)},
    "one_layer": {"hidden_layer_sizes": 128},
    "lr_half": {"lr": 5e-3},
    "lr_double": {"lr": 2e-2},
    "decay_0.03": {"weight_decay": 0.03},
    "30_epochs": {"max_epochs": 30},
    "batch_512": {"batch_size": 512, "max_epochs": 46},
    "one_member": {"n_members": 1},
    "eight_members": {"n_members": 8},
}


def factory(changes):
    """Return what makes the estimator with these changes."""
    return lambda task, seed, n_threads: models.task_neuron(task, seed, **{"formula": models.GENERIC} | changes)


def main(arguments=None):
    """Measure what is not in the file yet, and report."""
    options = read_options(arguments, __doc__, list(CHANGES))
    if not options.report:
        run(options, {None: {name: factory(changes) for name, changes in CHANGES.items()}})
    show(options)


if __name__ == "__main__":
    sys.exit(main())
