"""Lightning: the same loader as `dataloader`, driven by a `Trainer` with its defaults.

Progress bar, logger, checkpoints and summary are off: nobody else in the comparison writes or prints anything.
"""

from collections.abc import Callable

import lightning
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from .common import MOMENTUM, RATE, lenet
from .dataloader import loader


class Module(lightning.LightningModule):
    """LeNet with cross-entropy; the loss is summed here, which is cheaper than `self.log`."""

    def __init__(self) -> None:
        super().__init__()
        self.network = lenet()
        self.total = torch.zeros(())
        self.count = 0

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        inputs, labels = batch
        loss = cross_entropy(self.network(inputs), labels)
        self.total += loss.detach() * len(labels)
        self.count += len(labels)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=RATE, momentum=MOMENTUM)


def prepare() -> Callable[[], float]:
    """What is timed: a fresh `Trainer` and its `fit` of one epoch; the weights go on from call to call."""
    torch.manual_seed(0)
    batches = loader()
    module = Module()

    def epoch() -> float:
        module.total, module.count = torch.zeros(()), 0
        trainer = lightning.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, batches)
        return module.total.item() / module.count

    return epoch
