"""Layers whose input is whole numbers: each number has a vector of its own, which is learned."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ..kernels import library
from ..kernels.at import call
from ..recipe import layer
from ..recipe.errors import nearest
from ..recipe.facts import Field as Of
from ..recipe.facts import columns_of
from ..recipe.sequences import Sequences
from ..recipe.spec import Size, sees_time


class Indicators(nn.Module):
    """The sum of the vectors of all features that a place has; those that training never saw add nothing."""

    sees_time = True
    starts: Tensor
    sizes: Tensor

    def __init__(self, sizes: list[int], units: int) -> None:
        super().__init__()
        self.register_buffer("sizes", torch.tensor(sizes, dtype=torch.int32), persistent=False)
        starts = torch.tensor([0, *sizes[:-1]]).cumsum(0) - torch.arange(len(sizes))  # number 0 is one row for all
        self.register_buffer("starts", starts, persistent=False)
        self.weight = nn.Parameter(torch.zeros(1 + sum(sizes) - len(sizes), units))

    def forward(self, x: Sequences) -> Sequences:
        if x.values.device.type == "cpu":
            self._require_known(x.values)
        fits = self.weight.device.type == "cpu" and self.weight.dtype == torch.float32 and x.values.dtype == torch.int32
        if fits and library("indicators") is not None:
            sums: Tensor = _Sums.apply(self.weight, x.values, self.starts)  # type: ignore[no-untyped-call]
            return x.having(sums)
        numbers = x.values.long()
        rows = torch.where(numbers > 0, numbers + self.starts, 0)
        return x.having(functional.embedding_bag(rows, self.weight, mode="sum", padding_idx=0))

    def _require_known(self, numbers: Tensor) -> None:
        """Raise `IndexError` for numbers that have no vector; the kernel would read whatever lies there."""
        fields = len(self.sizes)
        if numbers.dim() != 2 or numbers.shape[1] != fields:
            raise IndexError(f"expected {fields} numbers at a place, not an input of {list(numbers.shape)}")
        if len(numbers) and (bool((numbers.amax(0) >= self.sizes).any()) or int(numbers.min()) < 0):
            raise IndexError(f"a number is none of its field's: they are 0 to {(self.sizes - 1).tolist()}")

    def specimen(self, x: Sequences) -> Sequences:
        return x.having(torch.empty((len(x.values), self.weight.shape[1]), device="meta"))


class _Sums(torch.autograd.Function):
    """By the kernel: PyTorch's own sorts all numbers for the way back."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, numbers: Tensor, starts: Tensor) -> Tensor:
        ctx.save_for_backward(numbers, starts)
        ctx.shape, ctx.sizes = table.shape, (*numbers.shape, table.shape[1])
        y = torch.empty(len(numbers), table.shape[1])
        kernels: Any = library("indicators")
        call(kernels.indicators_forward, *ctx.sizes, numbers.contiguous(), starts, table.contiguous(), y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        numbers, starts = ctx.saved_tensors
        slope = torch.zeros(ctx.shape)
        given = (*ctx.sizes, numbers.contiguous(), starts, gradient.contiguous())
        kernels: Any = library("indicators")
        call(kernels.indicators_backward, *given, len(slope), torch.get_num_threads(), slope)
        return slope, None, None


@layer
@sees_time
def indicators(x: Sequences, units: Size) -> nn.Module:
    """The sum of a learned vector for each feature of a place, which begins at 0: a linear layer on indicators.

        y[t] = sum over k of W[x[t, k]],   W[never seen] = 0

    Shapes: sequences (N, T, fields) of whole numbers -> (N, T, units). With `crf` it is the linear-chain model of CRF++
    and of Lafferty, McCallum and Pereira (2001), Conditional random fields. Raises `ValueError` for other inputs.

    >>> import dovetail as dt
    >>> dt.indicators("outputs")
    indicators('outputs')
    """
    fields = require_fields(x)
    return Indicators([field.size for field in fields for _ in range(field.width)], int(units))


class Lookup(nn.Module):
    """The vectors of some fields of a place side by side."""

    sees_time = True

    def __init__(self, columns: list[int], sizes: list[int], units: int) -> None:
        super().__init__()
        self.columns = columns
        self.tables = nn.ModuleList([nn.Embedding(size, units) for size in sizes])
        for table in self.tables:
            nn.init.normal_(table.weight, std=units**-0.5)  # type: ignore[arg-type]

    def forward(self, x: Sequences) -> Sequences:
        found = [table(x.values[:, column]) for column, table in zip(self.columns, self.tables, strict=True)]
        return x.having(torch.cat(found, -1))

    def specimen(self, x: Sequences) -> Sequences:
        width = sum(table.embedding_dim for table in self.tables)  # type: ignore[misc]
        return x.having(torch.empty((len(x.values), width), device="meta"))


@layer
@sees_time
def embedding(x: Sequences, units: Annotated[int, Field(gt=0)], of: str | list[str] | None = None) -> nn.Module:
    """A learned vector for each number of a field, the vectors of several fields side by side.

        y[t] = (W_1[x[t, 1]], W_2[x[t, 2]], ...)

    `of` names fields, all but letters unless given. What training never saw is number 0 and has a vector, too: give
    the source `least: 2`, so that words seen once teach it. Vectors begin normal with deviation 1 / sqrt(units).
    Shapes: sequences (N, T, fields) of whole numbers -> (N, T, fields named * units). Raises `ValueError` for fields
    there are not, and other inputs. Bengio et al. (2003), A neural probabilistic language model.

    >>> import dovetail as dt
    >>> dt.embedding(100, of="word[0]")
    embedding(100, of='word[0]')
    """
    require_fields(x)
    known = [field.name for field in x.fields]
    wanted = [f.name for f in x.fields if f.width == 1] if of is None else [of] if isinstance(of, str) else of
    for name in wanted:
        if name not in known:
            raise ValueError(f"of: the data have no field '{name}'. {nearest(name, known)}")
    starts = columns_of(x.fields)
    numbers = [known.index(name) for name in wanted]
    if any(x.fields[number].width > 1 for number in numbers):
        raise ValueError("of: letters come one by one: the layer characters looks at them")
    return Lookup([starts[number] for number in numbers], [x.fields[number].size for number in numbers], units)


def require_fields(x: Any) -> tuple[Of, ...]:
    """Refuse inputs that are not numbers of known things."""
    if not isinstance(x, Sequences) or not x.fields:
        raise ValueError("takes sequences of words, as the source columns gives them")
    return x.fields
