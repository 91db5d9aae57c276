"""Search: spaces of settings, and which of their points to try next.

Every recipe can name ranges, so they alone are imported here; what proposes points needs SciPy and lies beside them.
"""

from .ranges import choices, integer, linear, log

__all__ = ["choices", "integer", "linear", "log"]
