"""The bare PyTorch step: what a training step costs when nothing is around it."""

from collections.abc import Callable
from time import perf_counter

import torch
from torch.nn.functional import cross_entropy

from .common import MOMENTUM, RATE, mlp, step_batches


def prepare() -> Callable[[int], float]:
    """What is timed: forward, cross-entropy, backward, fused SGD and zero_grad, n times over prepared batches."""
    torch.manual_seed(0)
    network = mlp()
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM, fused=True)
    batches = step_batches()

    def steps(n: int) -> float:
        turn = (batches * (n // len(batches) + 1))[:n]
        start = perf_counter()
        for inputs, labels in turn:
            loss = cross_entropy(network(inputs), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return perf_counter() - start

    return steps
