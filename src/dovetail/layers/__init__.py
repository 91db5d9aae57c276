"""Layers: plain functions from a specimen and options to PyTorch modules."""

from .activation import elu, gelu, leaky_relu, maxout, relu, scaled_tanh, sigmoid, softplus, tanh
from .combine import branch, chain, repeat, residual
from .convolution import conv
from .dropout import dropout
from .initialization import glorot, he, lecun, normal, uniform
from .linear import linear
from .normalization import batchnorm, layernorm, localnorm
from .pooling import avgpool, globalpool, maxpool, subsample
from .shape import flatten, reshape

__all__ = [
    "avgpool", "batchnorm", "branch", "chain", "conv", "dropout", "elu", "flatten", "gelu", "globalpool", "glorot",
    "he", "layernorm", "leaky_relu", "lecun", "linear", "localnorm", "maxout", "maxpool", "normal", "relu", "repeat",
    "reshape", "residual", "scaled_tanh", "sigmoid", "softplus", "subsample", "tanh", "uniform",
]  # fmt: skip
