"""Other tensors stand in for a module's own for one call, and the module is afterwards what it was."""

from __future__ import annotations

import torch
from torch import nn

from dovetail.recipe.build import call_with, push


def shared() -> nn.Sequential:
    """A module that is used twice, and another that shares its weight."""
    torch.manual_seed(0)
    twice, other = nn.Linear(3, 3), nn.Linear(3, 3)
    other.weight = twice.weight
    return nn.Sequential(twice, nn.Tanh(), twice, nn.BatchNorm1d(3), nn.Sequential(other)).eval()


def test_every_use_of_a_tensor_sees_what_stands_in() -> None:
    network, x = shared(), torch.randn(4, 3)
    doubled = call_with(network, x, lambda tensor: 2 * tensor)
    before = [*network.parameters(), *network.buffers()]
    with torch.no_grad():
        for tensor in before:
            tensor.mul_(2)
    torch.testing.assert_close(doubled, network(x))


def test_the_module_keeps_its_own() -> None:
    network = shared()
    before = {name: id(tensor) for name, tensor in network.named_parameters(remove_duplicate=False)}
    assert push(network, torch.empty(4, 3, device="meta")).shape == (4, 3)
    assert {name: id(tensor) for name, tensor in network.named_parameters(remove_duplicate=False)} == before
    assert {tensor.device.type for tensor in (*network.parameters(), *network.buffers())} == {"cpu"}
