"""A recipe: the complete description of a run, as a dataclass whose fields are the schema of the file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from .check import check_section
from .errors import RecipeError, UsageError, nearest
from .language import plain, read_nodes, write
from .node import Node
from .override import override
from .place import fail
from .span import Length, Until
from .spec import (
    AverageSpec,
    InitSpec,
    Layers,
    ObjectiveSpec,
    Ranges,
    RuleSpec,
    ScheduleSpec,
    SourceSpec,
    Spec,
    Transforms,
    register_rooms,
)

MOST_BYTES = 10 << 20  # of a recipe's file
Positive = Annotated[int, Field(gt=0)]
Epochs = Annotated[Positive | Annotated[float, Field(gt=0)], "a number above 0"]
Count = Annotated[int, Field(ge=0)]
NonNegative = Annotated[float, Field(ge=0)]
Above = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Interval = Annotated[str, Field(pattern=r"^[1-9][0-9]* (epoch|step)s?$"), "an interval like '1 epoch' or '500 steps'"]
"""How often something happens: `1 epoch`, `500 steps`."""
Cut = Annotated[Annotated[str, Field(pattern=r"^[1-9]\d?(\.\d+)? ?%$")], "a share of a run like '25 %'"]


@dataclass(frozen=True)
class Group:
    """Settings of the parameters whose names match a pattern (`*.bias`); the last matching pattern wins.

    `rate` multiplies the recipe's rate; `decay`, `shrink`, `l1`, `max_norm` and `clamp` replace the recipe's, and
    `momentum` the rule's. `clip` bounds the norm of the group's own gradient. `freeze` holds the group still at first.
    """

    rate: NonNegative = 1.0
    decay: NonNegative | None = None
    shrink: Share | None = None
    l1: NonNegative | None = None
    momentum: Share | None = None
    clip: Above | None = None
    freeze: Until | None = None
    max_norm: Above | None = None
    clamp: Above | None = None


@dataclass(frozen=True)
class Optimizer:
    """How the parameters move: rule, rate, decay and clipping.

    `decay` is handed to the rule as its weight decay: subtracted as rate * decay * w by adamw, lamb and muon, and added
    to the gradient as decay * w by every other rule. `shrink` is the decay that no rate multiplies,
    w <- (1 - shrink) w - (the rule's step), and `l1` draws weights to 0 and leaves them there,
    w <- sign(w) max(|w| - rate * l1, 0) after the step. `clip` bounds the Euclidean norm of the whole gradient,
    `clip_layers` that of each parameter's, `clip_values` each entry. After each step `max_norm` bounds the norm of each
    unit's incoming weights and `clamp` the size of every parameter.
    A step whose loss or gradient is not finite is left out, and, by option, one whose gradient is more than `outlier`
    times as long as gradients were of late; after `patience` such steps in a row the run stops.
    """

    rule: RuleSpec = field(default_factory=lambda: Spec("rule", "sgd", {"momentum": 0.9, "nesterov": False}))
    rate: ScheduleSpec = field(default_factory=lambda: Spec("schedule", "constant", {"value": 0.01}))
    warmup: Length = 0  # the rate climbs in a straight line over this length
    decay: NonNegative = 0.0
    shrink: Share = 0.0
    l1: NonNegative = 0.0
    clip: Above | None = None
    clip_layers: Above | None = None
    clip_values: Above | None = None
    max_norm: Above | None = None
    clamp: Above | None = None
    outlier: Annotated[float, Field(gt=1)] | None = None
    patience: Positive = 10
    average: AverageSpec | None = None  # of the weights, to test and to keep; training goes on from the weights
    groups: dict[str, Group] = field(default_factory=dict)


@dataclass(frozen=True)
class Relevance:
    """How often an example is seen: more often the more it matters, by its `loss` or by how small its `margin` is.

    Of an epoch's places the `share` goes to examples by their relevance, the rest to all alike.
    """

    by: Literal["loss", "margin"] = "loss"
    share: Annotated[float, Field(ge=0, le=1)] = 0.5


@dataclass(frozen=True)
class Stop:
    """When a run ends before its time: where the first figure of the validation part has fallen for so long no more.

    Only a fall by more than `gain` counts. The weights that did best on the validation part are what a run with `stop`
    ends with, early or not, and what is tested.
    """

    after: Length = "5 epochs"
    gain: NonNegative = 0.0


@dataclass(frozen=True)
class Search:
    """Which numbers `dovetail tune` looks for, and how; `dovetail train` passes it over.

    `space` names settings by their dotted paths, each with what it may be. Of `trials` runs the `first` are spread
    evenly over the space (as many as it has ranges, and three), and each later one is where a Gaussian process expects
    the lowest `figure` of the validation part for its examples; `random` draws all by chance. Trial k is chosen knowing
    exactly the trials up to k - `parallel`, so that as many can run at a time and are the same however many do. Where
    `cuts` names shares of a run, a trial ends there unless its figure is among the best `keep` of those trials, once
    there are four.
    """

    space: Ranges = field(default_factory=dict)
    trials: Positive = 30
    parallel: Positive = 1
    method: Literal["bayes", "random"] = "bayes"
    first: Positive | None = None
    figure: str | None = None  # the objective's first, unless named
    cuts: list[Cut] = field(default_factory=list)
    keep: Annotated[float, Field(gt=0, lt=1)] = 0.5


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a run; the same words in a file, on the command line and in Python.

    `network`, `objective`, `data` and `optimizer` say what is trained, for what, on what and how; `init` is for every
    layer that names none of its own (PyTorch's without). `synthetic` is how training images are changed each time they
    are seen, `relevance` which examples are seen more often. Half an epoch is half a pass over the training part, and a
    step's `batch` is summed over `accumulate` micro-batches. What matches a pattern of `freeze` stays as it is; `start`
    is a run or a safetensors file whose weights to begin from.
    The validation part is judged at each `evaluate`; it may end the run (`stop`) and tell how sure an answer must be to
    stand, so that at most the share `reject` of all is wrong and stands. For tests batch normalization's statistics are
    taken anew of `recalibrate` training examples as they are, and answers are means over the example and its `views`.
    At each `checkpoint` all that going on takes is written, and the newest `keep` stay.
    With `shard` each of several processes holds its rows of the parameters alone (PyTorch's FSDP2). `search` is for
    `dovetail tune`, and `about` (title, paper, published number, ours) for people.
    """

    network: Layers
    objective: ObjectiveSpec
    data: SourceSpec
    synthetic: Transforms = field(default_factory=list)
    relevance: Relevance | None = None
    optimizer: Optimizer = field(default_factory=Optimizer)
    epochs: Epochs = 10
    batch: Positive = 64
    accumulate: Positive = 1
    init: InitSpec | None = None
    freeze: list[str] = field(default_factory=list)
    start: str | None = None
    seed: Count = 0
    recalibrate: Count = 0
    views: Literal["mirror"] | None = None
    evaluate: Interval = "1 epoch"
    stop: Stop | None = None
    reject: Annotated[float, Field(gt=0, lt=1)] | None = None
    checkpoint: Interval = "1 epoch"
    keep: Positive = 2
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$"), "auto, cpu, mps, cuda or cuda:N"] = "auto"
    precision: Literal["float32", "float64", "bfloat16", "auto"] = "float32"
    layout: Literal["auto", "channels_last", "contiguous"] = "auto"
    threads: Positive | Literal["auto"] = "auto"
    shard: bool = False
    search: Search | None = None
    about: dict[str, Any] = field(default_factory=dict)

    def plain(self, complete: bool = False) -> dict[str, Any]:
        """As YAML data; `complete` writes every default out, else only what differs from them."""
        shown = {}
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            default = _default(item)
            if complete or default is _REQUIRED or value != default:
                shown[item.name] = _shown(value, complete)
        return shown

    def write(self, complete: bool = False) -> str:
        """As YAML text; `parse(recipe.write()) == recipe`."""
        return write(self.plain(complete))


_REQUIRED = object()


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default is not dataclasses.MISSING:
        return item.default
    return item.default_factory() if item.default_factory is not dataclasses.MISSING else _REQUIRED


def _shown(value: Any, complete: bool) -> Any:
    """A section by the settings it differs in, at any depth; all else as YAML data."""
    if isinstance(value, dict):
        return {name: _shown(inner, complete) for name, inner in value.items()}
    if not dataclasses.is_dataclass(value) or isinstance(value, Spec):
        return plain(value, complete)
    fields = {item.name: (getattr(value, item.name), _default(item)) for item in dataclasses.fields(value)}
    return {name: _shown(inner, complete) for name, (inner, default) in fields.items() if complete or inner != default}


def parse(text: str, file: str = "recipe", overrides: list[str] | None = None) -> Recipe:
    """A recipe from YAML text, overrides applied; `file` is the name that errors show.

    Raises `RecipeError`, with file, line and column.
    """
    register_rooms()
    root = read_nodes(text, file)
    if root.value is None:
        raise RecipeError(f"{file}: is empty: expected network, objective and data")
    if not isinstance(root.value, dict):
        fail("a recipe is a mapping with network, objective and data", "", root.place)
    return recipe_of(override(root, overrides or [], Recipe))


def recipe_of(settings: Node | dict[str, Any]) -> Recipe:
    """A checked recipe from a tree or from Python values."""
    register_rooms()
    root = Node.of(settings)
    recipe: Recipe = check_section(Recipe, root, "")
    if recipe.batch % recipe.accumulate:
        message = f"{recipe.accumulate} micro-batches do not divide a batch of {recipe.batch} evenly"
        fail(message, "accumulate", root.value["accumulate"].place)
    return recipe


def shipped() -> dict[str, Path]:
    """The recipes that come with dovetail, by name."""
    folder = Path(__file__).parent.parent / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(name: str, overrides: list[str] | None = None) -> Recipe:
    """A recipe by the name it is shipped under, or by path.

    Raises `UsageError` where there is none, `RecipeError` where it is wrong.
    """
    path = Path(name)
    looks_like_path = path.suffix in (".yaml", ".yml") or path.name != name
    if not looks_like_path and name in shipped():
        path = shipped()[name]
    elif not path.is_file():
        hint = nearest(name, shipped())
        raise UsageError(f"no recipe '{name}': neither a file nor a shipped recipe. {hint}")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"the recipe {path} has {path.stat().st_size:,} bytes, more than {MOST_BYTES:,}")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the recipe {path}: {error}") from None
    return parse(text, path.name if name in shipped() else str(path), overrides)
