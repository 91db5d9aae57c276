"""Steps of four networks on images in memory: PyTorch as usual, PyTorch as fast as it goes by hand, us, Lightning.

A contestant is `contestants.vision:WHO_NETWORK`, e.g. `plain_vgg_a`. All train the recipe's own modules with the same
optimizer on the same batches; a call takes some steps, training goes on from call to call.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import dovetail as dt
from dovetail.layers.heads import Heads, main_of
from dovetail.recipe.build import fill
from dovetail.recipe.recipe import Recipe, load
from dovetail.training import Trainer
from dovetail.training.machine import resolved, settled
from dovetail.training.run import make_source

NETWORKS = {  # recipe, batch, shape, steps a call
    "lenet": ("lenet", 64, (1, 28, 28), 40),
    "vgg_a": ("vgg-a", 16, (3, 64, 64), 3),
    "googlenet": ("googlenet", 16, (3, 64, 64), 3),
    "alexnet": ("alexnet", 16, (3, 64, 64), 6),
}
CONTEXTS = contextlib.ExitStack()  # open until the process ends
RATE, MOMENTUM, CLASSES = 1e-3, 0.9, 10


def data(name: str) -> tuple[Tensor, Tensor, int, int]:
    """Images and classes of a call, the batch and the steps."""
    _, batch, shape, steps = NETWORKS[name]
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch * steps, *shape, generator=generator)
    return images, torch.randint(CLASSES, (batch * steps,), generator=generator), batch, steps


def recipe(name: str) -> Recipe:
    """The shipped recipe, with the optimizer that all contestants have."""
    named, batch, _, _ = NETWORKS[name]
    words = [f"batch={batch}", "optimizer={rule: {sgd: 0.9}, rate: 1e-3}", "data=digits", "init=he"]
    return load(named, words)


def network(name: str) -> torch.nn.Module:
    """The recipe's modules, as anyone may build them."""
    torch.manual_seed(0)
    described = recipe(name)
    return dt.build(fill(described.network, CLASSES, described.init), data(name)[0][:1])


def judge(output: Tensor | Heads, labels: Tensor) -> Tensor:
    loss = cross_entropy(main_of(output), labels)
    if isinstance(output, Heads):
        for side, weight in output.sides:
            loss = loss + weight * cross_entropy(side, labels)
    return loss


def by_torch(name: str, tuned: bool) -> Callable[[], float]:
    """The usual loop; `tuned` is all that an expert would do: channels_last, bfloat16, fused update."""
    images, labels, batch, _ = data(name)
    module = network(name)
    layout = torch.channels_last if tuned else torch.contiguous_format
    module = module.to(memory_format=layout).train()
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE, momentum=MOMENTUM, fused=tuned or None)

    def steps() -> float:
        total = 0.0
        for x, y in zip(images.split(batch), labels.split(batch), strict=True):
            with torch.autocast("cpu", torch.bfloat16, enabled=tuned):
                output = module(x.contiguous(memory_format=layout))
            loss = judge(
                Heads(output.main.float(), tuple((s.float(), w) for s, w in output.sides))
                if isinstance(output, Heads)
                else output.float(),
                y,
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total

    return steps


def by_us(name: str) -> Callable[[], float]:
    """dovetail as it is shipped: `precision: auto`, `layout: auto`, its guard, its sums."""
    images, labels, _, count = data(name)
    data_spec = dt.arrays(
        x=images.numpy(), y=labels.numpy(), test=0, normalize="none", names=[str(i) for i in range(CLASSES)]
    )
    described = resolved(dataclasses.replace(recipe(name), data=data_spec, epochs=1000, precision="auto"))
    trainer = Trainer(described, make_source(data_spec, Path()), Path())
    trainer.system.train()
    losses: list[float] = []
    from dovetail.training.trainer import Hooks

    trainer.hooks = Hooks(on_step=lambda step, loss: losses.append(loss))

    def steps() -> float:
        losses.clear()
        for _ in range(count):
            trainer.step()
        return float(np.sum(losses))

    CONTEXTS.enter_context(settled(described))  # as a run does: threads, and freed memory kept

    return steps


def by_lightning(name: str) -> Callable[[], float]:
    import lightning
    from torch.utils.data import DataLoader, TensorDataset

    images, labels, batch, _ = data(name)
    loader = DataLoader(TensorDataset(images, labels), batch)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.total = network(name), 0.0

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
            loss = judge(self.network(batch[0]), batch[1])
            self.total += float(loss.detach())
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=RATE, momentum=MOMENTUM)

    module = Module()

    def steps() -> float:
        module.total = 0.0
        quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
        lightning.Trainer(max_epochs=1, accelerator="cpu", **quiet).fit(module, loader)
        return module.total

    return steps


WHO = {
    "plain": functools.partial(by_torch, tuned=False),
    "tuned": functools.partial(by_torch, tuned=True),
    "ours": by_us,
    "lightning": by_lightning,
}


def __getattr__(word: str) -> Callable[[], Callable[[], float]]:
    who, _, name = word.partition("_")
    if who not in WHO or name not in NETWORKS:
        raise AttributeError(word)
    return lambda: WHO[who](name)
