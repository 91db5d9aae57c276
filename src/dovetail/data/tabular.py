"""Tables as columns: reading CSV and Parquet, numbers and categories, absent values."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..recipe.errors import DataError
from .faults import Faults

ABSENT = {"", "na", "n/a", "nan", "null", "none", "?"}
_LONGEST = 1 << 20  # characters of one cell
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Columns:
    """A table by column, as text ("" where a value is absent), and where each row stood in its file."""

    file: str
    values: dict[str, list[str]]
    rows: list[int]

    def __len__(self) -> int:
        return len(self.rows)

    def numbers(self, name: str) -> np.ndarray:
        """A column as float64, NaN where absent. Raises `DataError`, naming row and column, for other text."""
        for _, message in self.strange(name):
            raise DataError(message)
        return np.array([text or "nan" for text in self.values[name]], dtype=np.float64)

    def strange(self, name: str) -> Iterator[tuple[int, str]]:
        """The places of a column of numbers where something else stands, each with a message that names row and column.

        Absent values are not strange.
        """
        texts = self.values[name]
        try:
            quick = np.array([text or 0 for text in texts], dtype=np.float64)
            places = (~(np.abs(quick) <= _LARGEST)).nonzero()[0].tolist()
        except ValueError:
            places = list(range(len(texts)))
        for place in places:
            value = number(texts[place]) if texts[place] else 0.0
            where = f"{self.file}: row {self.rows[place]}, column '{name}'"
            if value is None:
                yield place, f"{where}: '{texts[place]}' is not a number"
            elif not abs(value) <= _LARGEST:
                yield place, f"{where}: {texts[place]} is {'too large' if np.isfinite(value) else 'not finite'}"

    def is_number(self, name: str) -> bool:
        """Whether a column holds numbers: nine in ten of the values that are there."""
        there = [text for text in self.values[name] if text]
        return bool(there) and sum(number(text) is not None for text in there) >= 0.9 * len(there)

    def select(self, keep: list[int]) -> Columns:
        """Some of the rows."""
        values = {name: [column[i] for i in keep] for name, column in self.values.items()}
        return Columns(self.file, values, [self.rows[i] for i in keep])

    def without(self, places: set[int]) -> Columns:
        """All rows but some."""
        return self.select([i for i in range(len(self)) if i not in places])

    def require_present(self, names: list[str]) -> None:
        """Raise `DataError` at the first absent value."""
        gaps = [(self.values[name].index(""), name) for name in names if "" in self.values[name]]
        if gaps:
            row, name = min(gaps)
            total = sum(self.values[each].count("") for each in names)
            raise DataError(
                f"{self.file}: row {self.rows[row]}, column '{name}': the value is absent ({total} in all); "
                "say what to do: missing: mean, indicator or drop"
            )


def cell(text: str) -> str:
    """A cell without the space around it, empty where it says that there is no value."""
    text = text.strip()
    return "" if text.lower() in ABSENT else text


def number(text: str) -> float | None:
    """The number a text is, or nothing."""
    try:
        return float(text)
    except ValueError:
        return None


def read_table(path: Path, delimiter: str = "auto", faults: Faults | None = None) -> Columns:
    """A CSV file with a header (or a .parquet file) as columns; rows of a wrong length go to `faults`.

    Raises `DataError`, naming file and row.
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet(path)
    csv.field_size_limit(_LONGEST)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            first = next((line for line in file if line.strip()), "")
            file.seek(0)
            reader = csv.reader(file, delimiter=_delimiter(first) if delimiter == "auto" else delimiter, strict=True)
            return _rows(str(path), reader, faults or Faults(str(path)))
    except UnicodeDecodeError as error:
        row = next(i for i, line in enumerate(path.read_bytes().split(b"\n"), 1) if not _utf8(line))
        raise DataError(f"{path}: row {row}: not UTF-8 text: byte {error.object[error.start]:#04x}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _delimiter(line: str) -> str:
    return max(",;\t|", key=re.sub('"[^"]*"', "", line).count)


def _utf8(line: bytes) -> bool:
    try:
        return line.decode() is not None
    except UnicodeDecodeError:
        return False


def _rows(file: str, reader: Any, faults: Faults) -> Columns:
    try:
        header: list[str] = next((row for row in reader if row), [])
        if not header:
            raise DataError(f"{file}: is empty: expected a header and rows")
        names = [name.strip() for name in header]
        _require_distinct(file, names)
        cells: list[list[str]] = [[] for _ in names]
        rows = []
        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                faults.note(f"{file}: row {reader.line_num} has {len(row)} cells, the header {len(names)}")
                continue
            rows.append(reader.line_num)
            for column, text in zip(cells, row, strict=True):
                column.append(cell(text))
    except csv.Error as error:
        raise DataError(f"{file}: row {reader.line_num}: {error}") from None
    if not rows:
        raise DataError(f"{file}: has a header but no rows")
    return Columns(file, dict(zip(names, cells, strict=True)), rows)


def _require_distinct(file: str, names: list[str]) -> None:
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise DataError(f"{file}: the header names '{name}' twice")


def _parquet(path: Path) -> Columns:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise DataError(f"{path}: reading Parquet needs pyarrow: pip install 'dovetail[parquet]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read()
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    _require_distinct(str(path), table.column_names)
    values = {
        name: ["" if value is None else cell(str(value)) for value in table.column(name).to_pylist()]
        for name in table.column_names
    }
    if not table.num_rows:
        raise DataError(f"{path}: has no rows")
    return Columns(str(path), values, list(range(1, table.num_rows + 1)))
