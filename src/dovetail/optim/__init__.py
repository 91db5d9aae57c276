"""Rules, schedules and groups: how parameters move."""

from .adagrad import AdaDec, adadec, adagrad, local_adagrad
from .averages import ema, polyak
from .descent import Descent
from .gauss_newton import GaussNewton, gauss_newton
from .lamb import Lamb, lamb
from .lbfgs import LBFGS, lbfgs
from .levenberg import DiagonalLevenberg, diagonal_levenberg
from .momentum import Momentum, Nesterov, momentum, nesterov
from .muon import Muon, muon
from .network_loss import NetworkLoss
from .rates import constant, cosine, exponential, piecewise, polynomial, slope, then
from .rules import adam, adamw, nadam, rmsprop, sgd
from .whole import Evaluation
from .window import LocalAdagrad

__all__ = [
    "LBFGS", "AdaDec", "Descent", "DiagonalLevenberg", "Evaluation", "GaussNewton", "Lamb", "LocalAdagrad", "Momentum",
    "Muon", "Nesterov", "NetworkLoss", "adadec", "adagrad", "adam", "adamw", "constant", "cosine", "diagonal_levenberg",
    "ema", "exponential", "gauss_newton", "lamb", "lbfgs", "local_adagrad", "momentum", "muon", "nadam", "nesterov",
    "piecewise", "polyak", "polynomial", "rmsprop", "sgd", "slope", "then",
]  # fmt: skip
