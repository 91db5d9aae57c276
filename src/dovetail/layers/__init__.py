"""Layers: plain functions from a specimen and options to PyTorch modules."""

from .activation import elu, gelu, leaky_relu, maxout, relu, scaled_tanh, sigmoid, softplus, tanh
from .blocks import inception, stages
from .combine import branch, chain, repeat, residual
from .convolution import conv
from .dropconnect import dropconnect
from .dropout import dropout, gaussian_noise
from .heads import heads
from .initialization import glorot, he, lecun, normal, sparse, uniform
from .linear import linear
from .lookup import embedding, indicators
from .normalization import batchnorm, layernorm, localnorm
from .pooling import avgpool, globalpool, maxpool, subsample
from .rbf import rbf
from .recurrent import lstm
from .segments import segments
from .shape import flatten, pad, reshape, spread
from .spelling import characters
from .sweep import sweep
from .table import table_conv

__all__ = [
    "avgpool", "batchnorm", "branch", "chain", "characters", "conv", "dropconnect", "dropout", "elu", "embedding",
    "flatten", "gaussian_noise", "gelu", "globalpool", "glorot", "he", "heads", "inception", "indicators", "layernorm",
    "leaky_relu", "lecun", "linear", "localnorm", "lstm", "maxout", "maxpool", "normal", "pad", "rbf", "relu",
    "repeat", "reshape", "residual", "scaled_tanh", "segments", "sigmoid", "softplus", "sparse", "spread", "stages",
    "subsample", "sweep", "table_conv", "tanh", "uniform",
]  # fmt: skip
