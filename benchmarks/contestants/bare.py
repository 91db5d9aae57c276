"""The bare PyTorch step: what a training step costs when nothing is around it."""

from collections.abc import Callable
from itertools import count, islice
from time import perf_counter

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from .common import MOMENTUM, RATE, mlp, step_batches

Batch = tuple[Tensor, Tensor]


def prepare() -> Callable[[int], float]:
    """What is timed: forward, cross-entropy, backward, fused SGD and zero_grad, n times over batches that lie ready."""
    batches = step_batches()
    return steps(lambda t: batches[t % len(batches)])


def gathering() -> Callable[[int], float]:
    """The same on batches gathered from one tensor in a random order, as any training does that shuffles."""
    inputs, labels = (torch.cat(parts) for parts in zip(*step_batches(), strict=True))
    order = torch.randperm(len(inputs)).view(-1, len(step_batches()[0][0]))

    def batch(t: int) -> Batch:
        chosen = order[t % len(order)]
        return inputs.index_select(0, chosen), labels.index_select(0, chosen)

    return steps(batch)


def steps(batch: Callable[[int], Batch]) -> Callable[[int], float]:
    """A function that runs n more steps and returns their seconds."""
    torch.manual_seed(0)
    network = mlp()
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM, fused=True)
    turn = count()

    def run(n: int) -> float:
        start = perf_counter()
        for t in islice(turn, n):
            inputs, labels = batch(t)
            loss = cross_entropy(network(inputs), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return perf_counter() - start

    return run
