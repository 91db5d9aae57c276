"""NumPy arrays: given in Python, or in .npy and .npz files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BeforeValidator
from torch import Tensor

from ..recipe import source
from ..recipe.errors import DataError
from ..recipe.facts import Facts, Input, Target
from .array_files import read_array
from .images import as_images, image_input
from .source import Examples, InMemory, Source, fingerprint, shape_text, sizes
from .split import Share, split
from .statistics import channel_statistics, class_target, number_target

_SHOWN = "<array "


class Held:
    """An array in memory as an option of a spec: equal by content, and written to a recipe as its fingerprint."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.mark = fingerprint(array if array.dtype.kind in "fiubcUS" else repr(array))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and other.mark == self.mark

    def __hash__(self) -> int:
        return hash(self.mark)

    def __str__(self) -> str:
        return f"{_SHOWN}{self.array.dtype} {shape_text(list(self.array.shape))} sha256:{self.mark[:12]}>"

    __repr__ = __str__


def _held(value: Any) -> Any:
    if isinstance(value, Tensor):
        value = (value.float() if value.dtype == torch.bfloat16 else value).detach().cpu().numpy()
    return Held(value) if isinstance(value, np.ndarray) else value


Array = Annotated[Held | str, BeforeValidator(_held), "an array, or the path of a .npy file or of a key in a .npz file"]


class Arrays(Source):
    def __init__(
        self, here: Path, arrays: list[Any], shares: tuple[float, float, int], normalize: str, names: Any
    ) -> None:
        self.name = "arrays"
        self.here, self.arrays, self.shares, self.normalize, self.names = here, arrays, shares, normalize, names

    def load(self) -> tuple[Facts, dict[str, Examples]]:
        x, y, test_x, test_y, weight = (None if array is None else self.array(array) for array in self.arrays)
        assert x is not None
        assert y is not None
        official = None
        targets, form, names = self.target(y, "y")
        whole = self.paired(self.inputs(x, "x"), targets, "x", "y")
        if weight is not None:
            whole = InMemory(whole.inputs, whole.targets, self.weights(weight, len(whole)))
        if test_x is not None and test_y is not None:
            more, _, _ = self.target(test_y, "test_y", (form, names))
            official = self.paired(self.inputs(test_x, "test_x"), more, "test_x", "test_y")
            if official.inputs[0].shape != whole.inputs[0].shape or official.inputs.dtype != whole.inputs.dtype:
                raise DataError(f"arrays: test_x is {_what(test_x)}, x {_what(x)}: they do not fit together")
        validation, test, seed = self.shares
        classes = whole.targets if form == "class" else None
        cut = split(len(whole), validation, 0 if official else test, seed, classes, self.name)
        parts: dict[str, Examples] = {name: whole.select(indices) for name, indices in cut.items()}
        if official:
            parts["test"] = official
        train = whole.select(cut["train"])
        tensors = [whole.inputs, whole.targets, *([official.inputs, official.targets] if official else [])]
        tensors += [] if whole.weights is None else [whole.weights]
        mark = fingerprint(*tensors, repr(self.shares))
        return Facts(self.input(train.inputs), self.facts_of(train.targets, form, names), sizes(parts), mark), parts

    def array(self, array: Held | str) -> np.ndarray:
        """The array itself, read from its file where it is a path."""
        if isinstance(array, Held):
            return array.array
        if array.startswith(_SHOWN):
            raise DataError(
                "this run was trained on arrays in memory; give them again: dt.resume(run, data=dt.arrays(x, y))"
            )
        return read_array(self.here, array)

    def inputs(self, array: np.ndarray, name: str) -> Tensor:
        """Images (N, C, H, W) of bytes, or anything else as float32."""
        if array.dtype == np.uint8 and array.ndim in (3, 4):
            return as_images(torch.from_numpy(np.ascontiguousarray(array)), f"arrays: {name}")
        if array.ndim < 2 or array.dtype.kind not in "fiub":
            raise DataError(f"arrays: {name} is {_what(array)}, expected numbers (N, ...)")
        if not array.size:
            raise DataError(f"arrays: {name} is {_what(array)}, it holds nothing")
        return finite(array, f"arrays: {name}")

    def target(
        self, array: np.ndarray, name: str, like: tuple[Any, list[str]] | None = None
    ) -> tuple[Tensor, Any, list[str]]:
        """The target as a tensor, its form and the names of its classes or columns; `like` are those it must have."""
        whole = array.dtype.kind in "iub"
        if array.ndim == 1 and (whole or array.dtype.kind in "US"):
            forms = ["class", "numbers"] if whole else ["class"]
        elif array.ndim in (1, 2) and array.dtype.kind in "fiub":
            forms = ["labels", "numbers"] if array.ndim == 2 and whole and np.isin(array, (0, 1)).all() else ["numbers"]
        else:
            raise DataError(f"arrays: {name} is {_what(array)}, expected numbers or texts (N,), or numbers (N, K)")
        if not array.size:
            raise DataError(f"arrays: {name} is {_what(array)}, it holds nothing")
        form, names = like or (forms[0], self.names)
        if form not in forms:
            raise DataError(f"arrays: y is of {form}, {name} of {forms[0]}")
        if form == "class":
            indices, names = self.classes(array, name, names)
            return indices, form, names
        values = finite(array.reshape(len(array), -1), f"arrays: {name}")
        names = list(names or [f"{name}{i}" for i in range(values.shape[1])])
        if len(names) != values.shape[1]:
            raise DataError(f"arrays: {name} has {values.shape[1]} columns, expected {len(names)}: {', '.join(names)}")
        return values, form, names

    def classes(self, array: np.ndarray, name: str, names: list[str] | None) -> tuple[Tensor, list[str]]:
        """The number of each one's class, and the classes' names: the values in order where none are given."""
        if array.dtype.kind == "S":
            array = np.char.decode(array, "utf-8", "replace")
        if array.dtype.kind == "b" and self.names:
            array = array.astype(np.uint8)
        values = np.unique(array)
        names = list(names or map(str, values))
        numbered = self.names and array.dtype.kind in "iu"
        known = {str(number) if numbered else text: number for number, text in enumerate(names)}
        unknown = [str(value) for value in values if str(value) not in known]
        if unknown:
            raise DataError(f"arrays: {name} has the class '{unknown[0]}', expected {', '.join(known)}")
        if len(names) < 2:
            raise DataError(f"arrays: {name} has one class only, '{names[0]}'")
        table = torch.tensor([known[str(value)] for value in values])
        return table[torch.from_numpy(np.searchsorted(values, array))], names

    @staticmethod
    def weights(array: np.ndarray, count: int) -> Tensor:
        """How much each example counts: numbers (N,), none of them below 0."""
        if array.shape != (count,) or array.dtype.kind not in "fiub":
            raise DataError(f"arrays: weight is {_what(array)}, expected {count} numbers")
        values = finite(array, "arrays: weight")
        if (values < 0).any():
            raise DataError(f"arrays: weight[{int((values < 0).nonzero()[0])}] is below 0")
        return values

    @staticmethod
    def paired(x: Tensor, y: Tensor, x_name: str, y_name: str) -> InMemory:
        """Inputs and targets as one part."""
        if len(x) != len(y):
            raise DataError(f"arrays: {x_name} has {len(x)} examples, {y_name} {len(y)}")
        return InMemory(x, y)

    def input(self, train: Tensor) -> Input:
        """How the inputs become float, from the training part."""
        if train.dtype == torch.uint8:
            return image_input(train, "standard" if self.normalize == "standard" else "none")
        if self.normalize == "none":
            return Input("array", list(train.shape[1:]), "float32")
        return Input("array", list(train.shape[1:]), "float32", *channel_statistics(train))

    @staticmethod
    def facts_of(train: Tensor, form: Any, names: list[str]) -> Target:
        """Facts of the target, from the training part."""
        if form == "class":
            return class_target(names, train)
        if form == "labels":
            return Target("labels", len(names), names, train.sum(0).int().tolist())
        return number_target(names, train)


def _what(array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}"


def finite(array: np.ndarray, name: str) -> Tensor:
    """As float32; raises `DataError` at the first value that is not finite."""
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        place = ", ".join(map(str, wrong[0].tolist()))
        raise DataError(f"{name}[{place}] is {array[tuple(wrong[0])]}, expected finite numbers ({len(wrong)} are not)")
    return torch.from_numpy(values)


@source
def arrays(
    here: Path,
    x: Array,
    y: Array,
    test_x: Array | None = None,
    test_y: Array | None = None,
    test: Share = 0.2,
    validation: Share = 0.0,
    split: int = 0,
    normalize: Literal["standard", "none"] = "standard",
    names: list[str] | None = None,
    weight: Array | None = None,
) -> Source:
    """NumPy arrays (or tensors), or texts that say where they are: `x.npy`, `data.npz:x`.

    x: images of bytes (N, H, W) or (N, C, H, W), or numbers (N, ...), standardized by feature (by channel where an
    example has several axes). y: whole numbers or texts (N,) are classes, 0 and 1 (N, L) labels, other numbers (N,) or
    (N, K) numbers; `names` names them. `weight`: how much each example of x counts (N,). Raises `DataError` for values
    that are not finite and lengths that differ.

    >>> import dovetail as dt, numpy as np
    >>> dt.arrays(np.zeros((100, 4)), np.arange(100) % 3).make(Path()).facts.target.names
    ['0', '1', '2']
    """
    if (test_x is None) != (test_y is None):
        raise ValueError("test_x and test_y go together")
    return Arrays(here, [x, y, test_x, test_y, weight], (validation, test, split), normalize, names)
