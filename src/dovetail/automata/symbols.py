"""Symbols: names for labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..recipe.errors import UsageError, nearest


class Symbols:
    """Names of labels 0, 1, ...; no name twice.

    >>> letters = Symbols("abc")
    >>> letters["b"], letters.name(2), len(letters)
    (1, 'c', 3)
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)
        self._labels = {name: label for label, name in enumerate(self.names)}
        if len(self._labels) < len(self.names):
            twice = next(name for label, name in enumerate(self.names) if self._labels[name] != label)
            raise UsageError(f"symbols: '{twice}' is there twice")

    def __getitem__(self, name: str) -> int:
        if name not in self._labels:
            raise UsageError(f"there is no symbol '{name}'. {nearest(name, self.names)}")
        return self._labels[name]

    def __contains__(self, name: object) -> bool:
        return name in self._labels

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def name(self, label: int) -> str:
        if not 0 <= label < len(self.names):
            raise UsageError(f"there is no symbol of label {label}: they go from 0 to {len(self.names) - 1}")
        return self.names[label]

    def labels(self, names: Iterable[str]) -> list[int]:
        """The labels of several names: of a text's characters, where each symbol is one."""
        return [self[name] for name in names]
