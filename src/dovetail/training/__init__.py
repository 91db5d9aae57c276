"""Training: a system, the loop that trains it, and the runs it leaves."""

from .begin import resume, train
from .progress import Progress
from .run import Run, other_data
from .show import show
from .system import System
from .trainer import Stopped, Trainer

__all__ = ["Progress", "Run", "Stopped", "System", "Trainer", "other_data", "resume", "show", "train"]
