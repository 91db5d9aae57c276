"""Proofs that a user can run: that a recipe builds, its gradients are right, its runs resume and repeat exactly."""

from .prove import PROOFS, prove
from .verdict import Verdict

__all__ = ["PROOFS", "Verdict", "prove"]
