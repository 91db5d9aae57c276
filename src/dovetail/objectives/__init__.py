"""Output models: each owns a loss, a decision and a measure."""

from .classification import hinge, logistic, multilabel, softmax
from .nearest import nearest
from .objective import Objective
from .ranking import ranking
from .regression import absolute, huber, squares
from .sequence import crf
from .strings import automaton, ctc

__all__ = [
    "Objective", "absolute", "automaton", "crf", "ctc", "hinge", "huber", "logistic", "multilabel", "nearest",
    "ranking", "softmax", "squares",
]  # fmt: skip
