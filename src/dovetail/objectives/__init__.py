"""Output models: each owns a loss, a decision and a measure."""

from .classification import hinge, logistic, multilabel, softmax
from .nearest import nearest
from .objective import Objective
from .regression import absolute, huber, squares

__all__ = ["Objective", "absolute", "hinge", "huber", "logistic", "multilabel", "nearest", "softmax", "squares"]
