"""Kernels: loops that PyTorch has no operator for, in plain C++ with a C interface, and how they are built and loaded.

A kernel is never the only form of what it computes: whoever calls one has the same in PyTorch's operations beside it,
which is its reference, and runs where there is no compiler. `DOVETAIL_KERNELS` chooses: auto, c or torch.
"""

from .load import backend, library

__all__ = ["backend", "library"]
