"""Output models: each owns a loss, a decision and a measure."""

from .classification import hinge, logistic, multilabel, softmax
from .margin import path_margin
from .nearest import nearest
from .objective import Objective
from .ranking import ranking
from .recognition import automaton, ctc
from .regression import absolute, huber, squares
from .segmental import semi_crf
from .sequence import crf

__all__ = [
    "Objective", "absolute", "automaton", "crf", "ctc", "hinge", "huber", "logistic", "multilabel", "nearest",
    "path_margin", "ranking", "semi_crf", "softmax", "squares",
]  # fmt: skip
