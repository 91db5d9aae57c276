"""The dry run: everything is built, one batch goes forward and backward, and its loss is near where it should begin."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from ..recipe.build import shape_text
from ..recipe.recipe import Recipe
from ..recipe.sequences import blank
from ..training.run import make_source
from ..training.show import table
from ..training.trainer import Trainer
from .verdict import Verdict

MOST = 3.0  # times the loss of an answer of zeros that a first loss may be


def prove_build(recipe: Recipe, folder: Path) -> Verdict:
    """Build, and put one batch through forward and backward.

    Holds where the loss is finite and at most three times that of an answer of zeros (log classes for softmax, half the
    mean square for squares), and every parameter that is to be trained gets a finite gradient.
    """
    source = make_source(recipe.data, Path.cwd())
    trainer = Trainer(recipe, source, folder)
    trainer.system.train()
    (batch, *_), system = trainer.feed.at(trainer.t), trainer.system
    output = system.output(batch.input)
    losses = system.objective.loss(output, batch.target)
    losses.sum().backward()
    with torch.no_grad():
        expected = float(system.objective.loss(blank(output), batch.target).mean())
    loss = float(losses.mean().detach())
    shown = table(recipe, source.facts)
    finding = (
        f"{len(system.network)} layers, {shown.parameters:,} parameters, {shape_text(batch.input)} -> "
        f"{shape_text(output)}; the first loss is {loss:.4f}, that of zeros {expected:.4f}"
    )
    details = []
    if not math.isfinite(loss):
        details.append("the loss is not finite: look at the data's statistics and the initial weights (init)")
    elif loss > MOST * expected + 0.1:
        details.append("the loss begins far above: the initial weights are too large (init: glorot, he, normal: 0.01)")
    for name, parameter in system.named_parameters():
        if parameter.requires_grad and parameter.grad is None:
            details.append(f"{name} takes no part in the answer: it gets no gradient")
        elif parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            details.append(f"{name} gets a gradient that is not finite")
    return Verdict("build", not details, finding, details)
