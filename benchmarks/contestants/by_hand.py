"""The plain PyTorch loop of an expert: the reference of the ratios.

Images stay one uint8 tensor in memory; a batch is one `index_select`, converted and normalised as a whole. Nothing is
read back from tensors before the end of the epoch.
"""

from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy

from .common import BATCH, MEAN, MOMENTUM, RATE, STD, lenet, mnist


def prepare(fused: bool = True, channels_last: bool = True) -> Callable[[], float]:
    """What is timed: order, batches, forward, backward and update of one epoch. Defaults: the fastest measured."""
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pixels, classes = mnist()
    images = torch.from_numpy(pixels).unsqueeze(1)  # (N, 1, 28, 28) uint8
    labels = torch.from_numpy(classes).long()
    network = lenet().to(memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM, fused=fused, foreach=not fused)

    def epoch() -> float:
        total = torch.zeros(())
        for chosen in torch.randperm(len(images)).split(BATCH):
            inputs = images.index_select(0, chosen).float().sub_(MEAN).div_(STD)
            loss = cross_entropy(network(inputs), labels.index_select(0, chosen))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(chosen)
        return total.item() / len(images)

    return epoch
