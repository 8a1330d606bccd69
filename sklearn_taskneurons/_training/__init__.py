"""From arrays to a trained net: scaling, batches, and seeded skorch nets."""

from sklearn_taskneurons._training.nets import make_net
from sklearn_taskneurons._training.scaling import ColumnScaler, TargetScaler, fit_column_scaler, fit_target_scaler
from sklearn_taskneurons._training.training import Training, make_table, predict, train

__all__ = [
    "ColumnScaler",
    "TargetScaler",
    "Training",
    "fit_column_scaler",
    "fit_target_scaler",
    "make_net",
    "make_table",
    "predict",
    "train",
]
