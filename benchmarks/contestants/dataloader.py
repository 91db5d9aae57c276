"""The loop of the tutorials: a `Dataset` of single examples, a `DataLoader` with its defaults, default SGD."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from .common import BATCH, MEAN, MOMENTUM, RATE, STD, lenet, mnist


class Images(Dataset[tuple[Tensor, int]]):
    """MNIST in memory as numpy arrays; each example is converted and normalised when it is asked for."""

    def __init__(self) -> None:
        self.images, self.labels = mnist()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = torch.from_numpy(self.images[index].astype(np.float32)).unsqueeze(0)
        return (image - MEAN) / STD, int(self.labels[index])


def loader() -> DataLoader[tuple[Tensor, int]]:
    """Shuffled batches, loaded in the process itself (the default)."""
    return DataLoader(Images(), batch_size=BATCH, shuffle=True)


def prepare() -> Callable[[], float]:
    """What is timed: one pass over the loader with forward, backward and update."""
    torch.manual_seed(0)
    batches = loader()
    network = lenet()
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM)

    def epoch() -> float:
        total, count = 0.0, 0
        for inputs, labels in batches:
            optimizer.zero_grad()
            loss = cross_entropy(network(inputs), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
            count += len(labels)
        return total / count

    return epoch
