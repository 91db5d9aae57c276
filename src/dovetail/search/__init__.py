"""Search: spaces of settings, and which of their points to try next."""

from .lessons import Lessons, lessons
from .propose import propose, spread
from .ranges import choices, integer, linear, log
from .space import Space

__all__ = ["Lessons", "Space", "choices", "integer", "lessons", "linear", "log", "propose", "spread"]
