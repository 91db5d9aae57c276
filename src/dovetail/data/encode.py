"""Columns into numbers: what a training table taught, applied to any table with the same columns."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..recipe.errors import DataError, nearest
from ..recipe.facts import Column, Input
from .tabular import Columns, number


def learn(table: Columns, names: list[str], categorical: list[str], train: Tensor, missing: str, scale: bool) -> Input:
    """How each column enters the network, from the training rows alone."""
    rows = train.tolist()
    columns = []
    for name in names:
        gaps = missing == "indicator" and "" in table.values[name]
        if name in categorical or not table.is_number(name):
            seen = {table.values[name][i] for i in rows} - {""}
            if not seen:
                raise DataError(f"{table.file}: column '{name}' has no value in the training part")
            columns.append(Column(name, natural(seen), indicator=gaps))
            continue
        values = table.numbers(name)[rows]
        values = values[~np.isnan(values)]
        if not len(values):
            raise DataError(f"{table.file}: column '{name}' has no value in the training part")
        constant = values.min() == values.max()  # its deviation is rounding, which would be divided by
        deviation = 1.0 if constant or not scale else float(values.std())
        columns.append(Column(name, [], float(values.mean()), deviation, gaps))
    width = sum(column.width for column in columns)
    return Input("table", [width], "float32", columns=columns, missing=missing)


def encode(table: Columns, input: Input) -> Tensor:
    """(N, width) float32: numbers standardized, categories one unit a value, absent values as `input.missing` says.

    Raises `DataError` where a column is not there, a value not a number, or absent where none may be.
    """
    for column in input.columns:
        if column.name not in table.values:
            raise DataError(f"{table.file}: there is no column '{column.name}'. {nearest(column.name, table.values)}")
    if input.missing in ("error", "drop"):  # rows were dropped before
        table.require_present([column.name for column in input.columns])
    pieces = []
    for column in input.columns:
        texts = table.values[column.name]
        if column.values:
            piece = np.zeros((len(table), len(column.values)))
            places = _places(column.values, set(texts))
            there = [(row, places[text]) for row, text in enumerate(texts) if text in places]
            if there:
                piece[tuple(np.array(there).T)] = 1.0
        else:
            piece = ((table.numbers(column.name) - column.mean) / column.deviation)[:, None]
            piece = np.nan_to_num(piece, nan=0.0)  # the mean
        pieces.append(piece)
        if column.indicator:
            pieces.append(np.array([[text == ""] for text in texts], dtype=np.float64))
    return torch.from_numpy(np.concatenate(pieces, 1).astype(np.float32))


def _places(values: list[str], texts: set[str]) -> dict[str, int]:
    """Which of the known values each text is, if any; as a number where it is not one as a text: 1.0 is 1."""
    index = {value: place for place, value in enumerate(values)}
    numbers = {number(value): place for value, place in index.items()}
    numbers.pop(None, None)
    found = {text: index.get(text, numbers.get(number(text))) for text in texts}
    return {text: place for text, place in found.items() if place is not None}


def natural(values: set[str]) -> list[str]:
    """Values in order, as numbers where all of them are."""
    numbers = {value: number(value) for value in values}
    if all(n is not None for n in numbers.values()):
        return sorted(values, key=lambda value: (numbers[value] or 0.0, value))
    return sorted(values)
