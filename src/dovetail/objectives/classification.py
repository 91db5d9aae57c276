"""Classification: one of several classes, yes or no, several yes-or-no labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ..recipe import objective
from ..recipe.facts import Target
from .objective import Objective, Statistics, alike

Weights = list[Annotated[float, Field(ge=0)]] | Literal["balanced"] | None
Share = Annotated[float, Field(ge=0, lt=1)]
MOST_CONFUSION = 100  # classes up to which the confusion matrix is kept


class Classifier(Objective):
    """What objectives over classes share: class weights, decisions, error, top-k error and confusion matrix."""

    weights: Tensor | None

    def __init__(self, data: Target, forms: tuple[str, ...], weights: Weights, top: int = 1) -> None:
        super().__init__()
        require(data, forms, type(self).__name__.lower())
        self.names = data.names or [str(number) for number in range(data.width)]
        self.classes = data.width
        self.top = min(top, data.width)
        self.register_buffer("weights", class_weights(weights, data), persistent=False)

    def weighted(self, loss: Tensor, target: Tensor) -> Tensor:
        return loss if self.weights is None else loss * self.weights[target]

    def probabilities(self, output: Tensor) -> Tensor:
        """(N, classes): how likely each class is."""
        return output.float().softmax(1)

    def margin(self, output: Tensor, target: Tensor) -> Tensor:
        """(N,): how far the right class's score is above the best of the others; below 0 where the answer is wrong."""
        output = output.to(wide(output))
        if self.width == 1:
            return signs(target, output) * output[:, 0]
        own = output.gather(1, target[:, None])
        return (own - output.scatter(1, target[:, None], -torch.inf).amax(1, keepdim=True))[:, 0]

    def sureness(self, output: Tensor) -> Tensor:
        """(N,): the log probability of the class decided on."""
        return self.probabilities(output).amax(1).log()

    def right(self, output: Tensor, target: Tensor) -> Tensor:
        """(N,): whether the class decided on is the right one."""
        return self.decode(output) == (target.clamp(min=0) if self.width == 1 else target)

    def decode(self, output: Tensor) -> Tensor:
        """(N,): the most probable class."""
        return output.argmax(1)

    def measure(self, output: Tensor, target: Tensor) -> Statistics:
        if self.width == 1:
            target = target.clamp(min=0)  # {-1, +1} stand for the classes 0 and 1
        decided = self.decode(output)
        statistics = {
            "count": torch.tensor(len(target), dtype=torch.float64),
            "loss": self.loss(output, target).double().sum(),
            "wrong": (decided != target).double().sum(),
        }
        if self.top > 1:
            best = output.topk(self.top, 1).indices
            statistics["top_wrong"] = (best != target[:, None]).all(1).double().sum()
        if self.classes <= MOST_CONFUSION:
            cells = torch.bincount(target * self.classes + decided, minlength=self.classes**2)
            statistics["confusion"] = cells.view(self.classes, self.classes).double()
        return statistics

    def summary(self, statistics: Statistics) -> dict[str, float]:
        """`error`, its `standard_error`, the mean `loss` in nats, and `topK_error` where asked for."""
        count = max(float(statistics["count"]), 1.0)
        error = float(statistics["wrong"]) / count
        figures = {
            "error": error,
            "standard_error": (error * (1 - error) / count) ** 0.5,
            "loss": float(statistics["loss"]) / count,
        }
        if "top_wrong" in statistics:
            figures[f"top{self.top}_error"] = float(statistics["top_wrong"]) / count
        return figures

    def details(self, statistics: Statistics) -> dict[str, Any]:
        """`confusion`: how often each class (row) was taken for each (column)."""
        return {"confusion": statistics["confusion"].long().tolist()} if "confusion" in statistics else {}

    def alternatives(self, output: Tensor, count: int) -> list[list[dict[str, Any]]]:
        best = self.probabilities(output).topk(min(count, self.classes), 1)
        rows = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [[{"class": self.names[i], "probability": p} for i, p in zip(*row, strict=True)] for row in rows]

    def describe(self, output: Tensor) -> list[dict[str, Any]]:
        best = self.probabilities(output).max(1)
        decided, sure = best.indices.tolist(), best.values.tolist()
        return [{"class": self.names[i], "probability": p} for i, p in zip(decided, sure, strict=True)]


class Softmax(Classifier):
    def __init__(self, data: Target, smoothing: float, weights: Weights, top: int) -> None:
        super().__init__(data, ("class",), weights, top)
        self.width, self.smoothing = data.width, smoothing

    def pool(self, outputs: Sequence[Tensor]) -> Tensor:
        """The log of the mean probability."""
        return mean_in_log([output.to(wide(output)).log_softmax(1) for output in outputs])

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        loss = F.cross_entropy(output.to(wide(output)), target, reduction="none", label_smoothing=self.smoothing)
        return self.weighted(loss, target)


@objective
def softmax(
    data: Target, smoothing: Share = 0.0, weights: Weights = None, top: Annotated[int, Field(gt=0)] = 1
) -> Objective:
    """One of several classes, the multinomial model.

        loss(f, y) = w[y] ((1 - smoothing) (log sum over c of e^f[c] - f[y])
                         + smoothing * mean over c of (log sum over k of e^f[k] - f[c]))

    Shapes: output (N, classes), target (N,) of class numbers. `weights` is a number a class, or "balanced", which is
    N / (classes * N_c); `top` adds the error of the k most probable classes. Raises `ValueError` for targets that are
    not classes. Smoothing: Szegedy et al. (2016), Rethinking the Inception architecture, section 7.

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> dt.softmax().make(Target("class", 3)).loss(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([0]))
    tensor([2.4076])
    """
    return Softmax(data, smoothing, weights, top)


class Logistic(Classifier):
    width = 1

    def __init__(self, data: Target, weights: Weights) -> None:
        super().__init__(data, ("class",), weights)
        if data.width != 2:
            raise ValueError(f"decides between two classes, the data have {data.width}; softmax takes more")

    def pool(self, outputs: Sequence[Tensor]) -> Tensor:
        return mean_odds(outputs)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self.weighted(binary_loss(output[:, 0], target), target.clamp(min=0))

    def probabilities(self, output: Tensor) -> Tensor:
        return torch.cat([-output, output], 1).float().sigmoid()

    def decode(self, output: Tensor) -> Tensor:
        return (output[:, 0] > 0).long()


@objective
def logistic(data: Target, weights: Weights = None) -> Objective:
    """Yes or no, the binomial model; class 1 is yes.

        loss(f, y) = w[y] log(1 + e^(-y f)),   y in {-1, +1}; labels {0, 1} stand for the same

    Shapes: output (N, 1), target (N,). Exact for scores of any size. Raises `ValueError` for data with more than two
    classes.

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> loss = dt.logistic().make(Target("class", 2)).loss
    >>> loss(torch.tensor([[2.0], [2.0], [-1e4]]), torch.tensor([1, -1, 1]))
    tensor([1.2693e-01, 2.1269e+00, 1.0000e+04])
    """
    return Logistic(data, weights)


class Hinge(Classifier):
    def __init__(self, data: Target, margin: float, weights: Weights) -> None:
        super().__init__(data, ("class",), weights)
        self.width, self.least = data.width if data.width > 2 else 1, margin

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self.weighted((self.least - self.margin(output, target)).clamp(min=0), target.clamp(min=0))

    def decode(self, output: Tensor) -> Tensor:
        return (output[:, 0] > 0).long() if self.width == 1 else output.argmax(1)

    def describe(self, output: Tensor) -> list[dict[str, Any]]:
        scores = output.float()
        margin = scores[:, 0].abs() if self.width == 1 else scores.topk(2, 1).values.diff(dim=1).abs()[:, 0]
        decided = self.decode(output).tolist()
        return [{"class": self.names[i], "margin": m} for i, m in zip(decided, margin.tolist(), strict=True)]


@objective
def hinge(data: Target, margin: Annotated[float, Field(ge=0)] = 1.0, weights: Weights = None) -> Objective:
    """One of several classes by a margin, as support vector machines do.

        two classes:  loss(f, y) = w[y] max(0, margin - y f),  y in {-1, +1}
        more:         loss(f, y) = w[y] max(0, margin + max over c != y of f[c] - f[y])

    Shapes: output (N, 1) or (N, classes), target (N,). Raises `ValueError` for targets that are not classes. Crammer
    and Singer (2001), On the algorithmic implementation of multiclass kernel-based vector machines; a margin of 0 is
    the perceptron (Rosenblatt, 1958).

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> dt.hinge().make(Target("class", 3)).loss(torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([1]))
    tensor([3.])
    """
    return Hinge(data, margin, weights)


class Labels(Objective):
    def __init__(self, data: Target) -> None:
        super().__init__()
        require(data, ("labels",), "multilabel")
        self.width, self.names = data.width, data.names or [str(number) for number in range(data.width)]

    def pool(self, outputs: Sequence[Tensor]) -> Tensor:
        return mean_odds(outputs)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        alike(output, target)
        return binary_loss(output, target).sum(1)

    def decode(self, output: Tensor) -> Tensor:
        """(N, labels): 1 where the label is more likely than not."""
        return (output > 0).long()

    def measure(self, output: Tensor, target: Tensor) -> Statistics:
        decided, truth = self.decode(output), target > 0
        return {
            "count": torch.tensor(len(target), dtype=torch.float64),
            "loss": self.loss(output, target).double().sum(),
            "wrong": (decided != truth).double().sum(),
            "hits": (decided.bool() & truth).double().sum(),
            "decided": decided.double().sum(),
            "true": truth.double().sum(),
        }

    def summary(self, statistics: Statistics) -> dict[str, float]:
        """`error` a label, the mean `loss` an example in nats, `precision`, `recall` and `f1` over all labels."""
        s = {name: float(value) for name, value in statistics.items()}
        assert self.width is not None
        return {
            "error": s["wrong"] / max(s["count"] * self.width, 1.0),
            "loss": s["loss"] / max(s["count"], 1.0),
            "precision": s["hits"] / max(s["decided"], 1.0),
            "recall": s["hits"] / max(s["true"], 1.0),
            "f1": 2 * s["hits"] / max(s["decided"] + s["true"], 1.0),
        }

    def describe(self, output: Tensor) -> list[dict[str, Any]]:
        rows, decided = output.float().sigmoid().tolist(), self.decode(output).tolist()
        return [
            {
                "labels": [name for name, yes in zip(self.names, answers, strict=True) if yes],
                "probabilities": dict(zip(self.names, row, strict=True)),
            }
            for row, answers in zip(rows, decided, strict=True)
        ]


@objective
def multilabel(data: Target) -> Objective:
    """Several yes-or-no labels at once, each its own binomial model.

        loss(f, y) = sum over l of log(1 + e^(-y[l] f[l])),   y[l] in {-1, +1} or {0, 1}

    Shapes: output and target (N, labels). Raises `ValueError` for targets that are not labels.

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> dt.multilabel().make(Target("labels", 2)).loss(torch.zeros(1, 2), torch.tensor([[0, 1]]))
    tensor([1.3863])
    """
    return Labels(data)


def mean_in_log(logs: Sequence[Tensor]) -> Tensor:
    """The log of the mean of what the logs are of."""
    return torch.stack(list(logs)).logsumexp(0) - math.log(len(logs))


def mean_odds(outputs: Sequence[Tensor]) -> Tensor:
    """The score f whose probability 1 / (1 + e^-f) is the mean of those of the outputs."""
    wider = [output.to(wide(output)) for output in outputs]
    return mean_in_log([F.logsigmoid(f) for f in wider]) - mean_in_log([F.logsigmoid(-f) for f in wider])


def binary_loss(output: Tensor, target: Tensor) -> Tensor:
    """log(1 + e^(-y f)), elementwise, without overflow or loss of digits at any score."""
    output = output.to(wide(output))
    return -F.logsigmoid(signs(target, output) * output)


def signs(target: Tensor, output: Tensor) -> Tensor:
    """Labels {0, 1} or {-1, +1} as -1 and +1."""
    return (target > 0).to(output.dtype) * 2 - 1


def wide(output: Tensor) -> torch.dtype:
    """float32, or float64 where the output has it."""
    return torch.promote_types(output.dtype, torch.float32)


def class_weights(weights: Weights, data: Target) -> Tensor | None:
    """A weight a class; "balanced" is N / (classes * N_c), which makes every class count alike."""
    if weights is None:
        return None
    if weights == "balanced":
        if not data.counts:
            raise ValueError("balanced weights need data that count their classes")
        counts = torch.tensor(data.counts, dtype=torch.float32).clamp(min=1)
        return counts.sum() / (len(counts) * counts)
    if len(weights) != data.width:
        raise ValueError(f"weights: {len(weights)} numbers for {data.width} classes")
    return torch.tensor(weights, dtype=torch.float32)


def require(data: Target, forms: tuple[str, ...], name: str) -> None:
    """Refuse data whose target has another form."""
    if data.form not in forms:
        raise ValueError(f"{name} needs a target of {' or '.join(forms)}, the data have {data.form}")
