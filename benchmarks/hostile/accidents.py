"""What may happen to the bytes of a file, and to the tensors within one."""

import random
from collections.abc import Sequence

import torch
from torch import Tensor


def broken(chance: random.Random, good: Sequence[bytes]) -> bytes:
    """A good file after one to four accidents."""
    data = bytearray(chance.choice(good))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        chance.choice(ACCIDENTS)(chance, data, good)
    return bytes(data[: 1 << 20])


def flip(chance: random.Random, data: bytearray, good: Sequence[bytes]) -> None:
    for _ in range(chance.choice((1, 1, 2, 8))):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def cut_short(chance: random.Random, data: bytearray, good: Sequence[bytes]) -> None:
    del data[chance.randrange(len(data) + 1) :]


def cut_out(chance: random.Random, data: bytearray, good: Sequence[bytes]) -> None:
    start = chance.randrange(len(data) + 1)
    del data[start : start + chance.choice((1, 2, 4, 16, 100))]


def double(chance: random.Random, data: bytearray, good: Sequence[bytes]) -> None:
    start = chance.randrange(len(data) + 1)
    piece = data[start : start + chance.choice((1, 4, 20, 200))]
    data[start:start] = piece * chance.choice((1, 1, 2, 50))


def overwrite(chance: random.Random, data: bytearray, good: Sequence[bytes]) -> None:
    start = chance.randrange(len(data) + 1)
    size = chance.choice((1, 2, 4, 8))
    data[start : start + size] = chance.choice((b"\0", b"\xff", b"\x7f", bytes([chance.randrange(256)]))) * size


def enlarge(chance: random.Random, data: bytearray, good: Sequence[bytes]) -> None:
    """A size somewhere in the head becomes huge."""
    start = chance.randrange(min(len(data), 64) + 1)
    value = chance.choice((2**31 - 1, 2**32 - 1, 2**31, 10**9, 65_536, 2**24))
    data[start : start + 4] = value.to_bytes(4, chance.choice(("little", "big")))


def splice(chance: random.Random, data: bytearray, good: Sequence[bytes]) -> None:
    other = chance.choice(good)
    data[chance.randrange(len(data) + 1) :] = other[chance.randrange(len(other) + 1) :]


def write_words(chance: random.Random, data: bytearray, good: Sequence[bytes]) -> None:
    start = chance.randrange(len(data) + 1)
    data[start : start + chance.choice((0, 0, 3))] = chance.choice(WORDS)


def repeat_line(chance: random.Random, data: bytearray, good: Sequence[bytes]) -> None:
    """A line stands twice, perhaps far apart: double keys, rows, headers."""
    lines = bytes(data).splitlines(keepends=True)
    if lines:
        lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
        data[:] = b"".join(lines)


WORDS = [
    *b"{ } [ ] : | > # % @ ? ' , ; null true nan inf -1 0 1e999 99999999999999999999 outputs conv".split(),
    *(b'"', b"\n", b"\t", b"\r", b"\0", b"\xff\xfe", b"\xc3", b"- ", b"<<: ", b"&a ", b"*a", b"chain: ["),
    *(b"!!python/name:os.system ", b"[" * 300, b"{a: " * 300, b"x" * 10_000),
]
ACCIDENTS = (flip, flip, cut_short, cut_out, double, overwrite, enlarge, splice, repeat_line, write_words, write_words)


def confused(chance: random.Random, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of which one is not what it was: missing, renamed, of another shape, type or value."""
    tensors = dict(tensors)
    name = chance.choice(sorted(tensors))
    tensor = tensors.pop(name)
    what = chance.randrange(6)
    if what == 1:
        tensors[chance.choice((name + "x", name.split("/")[0], "a/b/c", "", name.rpartition("/")[2]))] = tensor
    elif what == 2:
        tensors[name] = chance.choice(
            (tensor.reshape(-1), tensor[None], torch.zeros(0), torch.zeros(3, 2), tensor.sum())
        )
    elif what == 3:
        kind = chance.choice((torch.int64, torch.float16, torch.bool, torch.complex64, torch.uint8, torch.bfloat16))
        tensors[name] = tensor.to(kind)
    elif what == 4:
        value = chance.choice((float("nan"), float("inf"), -1.0, 1e30))
        tensors[name] = torch.full_like(tensor, value) if tensor.is_floating_point() else torch.full_like(tensor, -1)
    elif what == 5:
        tensors[chance.choice(sorted(tensors))] = tensor
    return tensors
