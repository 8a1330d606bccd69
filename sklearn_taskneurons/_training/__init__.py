"""From arrays to a trained net: scaling, batches, and seeded skorch nets."""

from sklearn_taskneurons._training.augmentation import Augmentation
from sklearn_taskneurons._training.channel_scaling import fit_channel_scaler
from sklearn_taskneurons._training.comparison import held_out_losses
from sklearn_taskneurons._training.losses import CrossEntropyLoss, MemberLoss, SquaredErrorLoss
from sklearn_taskneurons._training.muon import SOLVERS
from sklearn_taskneurons._training.nets import OWN_CALLBACKS, make_net, make_net_of
from sklearn_taskneurons._training.resume import resume
from sklearn_taskneurons._training.scaling import SCALINGS, ColumnScaler, MixedScaler, fit_column_scaler, fit_scaler
from sklearn_taskneurons._training.target_scaling import TargetScaler, fit_target_scaler
from sklearn_taskneurons._training.training import Training, make_table, outputs_of, predict, train

__all__ = [
    "OWN_CALLBACKS",
    "SCALINGS",
    "SOLVERS",
    "Augmentation",
    "ColumnScaler",
    "CrossEntropyLoss",
    "MemberLoss",
    "MixedScaler",
    "SquaredErrorLoss",
    "TargetScaler",
    "Training",
    "fit_channel_scaler",
    "fit_column_scaler",
    "fit_scaler",
    "fit_target_scaler",
    "held_out_losses",
    "make_net",
    "make_net_of",
    "make_table",
    "outputs_of",
    "predict",
    "resume",
    "train",
]
