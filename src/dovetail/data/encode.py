"""Columns into numbers: what a training table taught, applied to any table with the same columns."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..recipe.errors import DataError, nearest
from ..recipe.facts import Column, Input
from .columns import Columns, number


def learn(table: Columns, names: list[str], categorical: list[str], train: Tensor, missing: str, scale: bool) -> Input:
    """How each column enters the network, from the training rows alone."""
    rows = train.tolist()
    columns = []
    for name in names:
        gaps = missing == "indicator" and "" in table.values[name]
        if name in categorical or not table.is_number(name):
            seen = {table.values[name][i] for i in rows} - {""}
            columns.append(Column(name, natural(seen), indicator=gaps))
            continue
        values = table.numbers(name)[rows]
        values = values[~np.isnan(values)]
        if not len(values):
            raise DataError(f"{table.file}: column '{name}' has no value in the training part")
        mean, deviation = float(values.mean()), float(values.std()) or 1.0
        columns.append(Column(name, [], mean, deviation if scale else 1.0, gaps))
    width = sum(column.width for column in columns)
    return Input("table", [width], "float32", columns=columns, missing=missing)


def encode(table: Columns, input: Input) -> Tensor:
    """(N, width) float32: numbers standardized, categories one unit a value, absent values as `input.missing` says.

    Raises `DataError` where a column is not there, a value not a number, or absent where none may be.
    """
    for column in input.columns:
        if column.name not in table.values:
            raise DataError(f"{table.file}: there is no column '{column.name}'. {nearest(column.name, table.values)}")
    if input.missing == "error":
        table.require_present([column.name for column in input.columns])
    pieces = []
    for column in input.columns:
        texts = table.values[column.name]
        if column.values:
            index = {value: number for number, value in enumerate(column.values)}
            piece = np.zeros((len(table), len(column.values)))
            there = [(row, index[text]) for row, text in enumerate(texts) if text in index]
            if there:
                piece[tuple(np.array(there).T)] = 1.0
        else:
            piece = ((table.numbers(column.name) - column.mean) / column.deviation)[:, None]
            piece = np.nan_to_num(piece, nan=0.0)  # the mean
        pieces.append(piece)
        if column.indicator:
            pieces.append(np.array([[text == ""] for text in texts], dtype=np.float64))
    return torch.from_numpy(np.concatenate(pieces, 1).astype(np.float32))


def natural(values: set[str]) -> list[str]:
    """Values in order, as numbers where all of them are."""
    numbers = {value: number(value) for value in values}
    if all(n is not None for n in numbers.values()):
        return sorted(values, key=lambda value: (numbers[value] or 0.0, value))
    return sorted(values)
