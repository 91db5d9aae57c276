"""Training: a system, the loop that trains it, and the runs it leaves."""

from .begin import resume, train
from .hooks import Stopped
from .pace import show_rates
from .picture import show_data
from .progress import Progress
from .run import Run, other_data
from .show import show
from .system import System
from .trainer import Trainer
from .vote import Vote, runs_among

__all__ = [
    "Progress", "Run", "Stopped", "System", "Trainer", "Vote", "other_data", "resume", "runs_among", "show",
    "show_data", "show_rates", "train",
]  # fmt: skip
