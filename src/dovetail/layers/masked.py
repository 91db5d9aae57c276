"""Products with a weight matrix of which every example has its own random mask: the kernel, and the same in PyTorch.

Rows are padded to whole words of 64 entries, and a mask is its bits, int64 [words, N, out].
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..kernels import library
from ..kernels.at import call
from .bits import WORD, keys_of, random_bits, share_of, spread_bits
from .masked_sums import compiled, compiles, slopes_of_rows, slopes_of_weights, sums

AT_ONCE = 1 << 22  # entries of masks that are spread out at a time where there is no kernel


def draw_mask(
    key: int, keep: float, first: int, examples: int, outputs: int, words: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Bits that are 1 with probability `keep`, rounded to a multiple of 2^-16, a function of key and place alone.

    `first` is the number of examples that come before these.
    """
    kernels = library("dropconnect") if torch.device(device).type == "cpu" else None
    if kernels is None:
        places = torch.arange(first * outputs * words, (first + examples) * outputs * words, device=device)
        bits = random_bits(keys_of(key), share_of(keep), places)
        return bits.view(examples, outputs, words).permute(2, 0, 1).contiguous()
    mask = torch.empty(words, examples, outputs, dtype=torch.int64)
    call(kernels.dropconnect_mask, keys_of(key), share_of(keep), first, examples, outputs, words, mask)
    return mask


def masked_product(x: Tensor, w: Tensor, mask: Tensor) -> Tensor:
    """y[n, o] = sum over i of mask[n, o, i] w[o, i] x[n, i], with gradients to x and w.

    Shapes: x (N, 64 words), w (out, 64 words), mask (words, N, out) -> (N, out). Raises `ValueError` for others.
    """
    words, examples, outputs = mask.shape
    if x.shape != (examples, WORD * words) or w.shape != (outputs, WORD * words):
        raise ValueError(f"rows {list(x.shape)} and weights {list(w.shape)} do not fit a mask of {list(mask.shape)}")
    product: Tensor = _MaskedProduct.apply(x, w, mask)  # type: ignore[no-untyped-call]
    return product


def _product(x: Tensor, w: Tensor, mask: Tensor) -> Tensor:
    kernels = _kernels_for(x, w)
    if kernels is None and compiles(x.device):
        return compiled(sums)(x, w, mask)
    if kernels is None:
        return torch.cat([torch.bmm(m * w, v.unsqueeze(2)).squeeze(2) for m, v in _pieces(mask, w, x)])
    y = x.new_empty(len(x), len(w))
    call(kernels.dropconnect_forward, x.contiguous(), w.contiguous(), mask, *mask.shape, y)
    return y


class _MaskedProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(x, w, mask)
        ctx.save_for_forward(x, w, mask)
        return _product(x, w, mask)

    @staticmethod
    def jvp(ctx: Any, along_x: Tensor | None, along_w: Tensor | None, _: None) -> Tensor:
        x, w, mask = ctx.saved_tensors
        parts = [] if along_x is None else [_product(along_x, w, mask)]
        parts += [] if along_w is None else [_product(x, along_w, mask)]
        return sum(parts[1:], parts[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, w, mask = ctx.saved_tensors
        gradient = gradient.contiguous()
        kernels = _kernels_for(x, w)
        of_x = of_w = None
        if kernels is None and compiles(x.device):
            if ctx.needs_input_grad[0]:
                of_x = compiled(slopes_of_rows)(gradient, w, mask)
            if ctx.needs_input_grad[1]:
                of_w = compiled(slopes_of_weights)(gradient, x, mask)
            return of_x, of_w, None
        if kernels is None:
            pieces = list(_pieces(mask, w, x, gradient))
            if ctx.needs_input_grad[0]:
                of_x = torch.cat([torch.bmm(g.unsqueeze(1), m * w).squeeze(1) for m, _, g in pieces])
            if ctx.needs_input_grad[1]:
                of_w = sum((torch.einsum("no,noi,ni->oi", g, m, v) for m, v, g in pieces), torch.zeros_like(w))
            return of_x, of_w, None
        x, w = x.contiguous(), w.contiguous()
        if ctx.needs_input_grad[0]:
            of_x = torch.empty_like(x)
            call(kernels.dropconnect_input, gradient, w, mask, *mask.shape, of_x)
        if ctx.needs_input_grad[1]:
            of_w = torch.empty_like(w)
            call(kernels.dropconnect_weight, gradient, x, mask, *mask.shape, of_w)
        return of_x, of_w, None


def spread(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask's bits one by one, 0 or 1: (words, N, out) -> (N, out, 64 words)."""
    return spread_bits(mask.permute(1, 2, 0)).to(dtype)


def _pieces(mask: Tensor, w: Tensor, *rows: Tensor) -> Any:
    """The mask of some examples at a time, spread out, and the rows of those examples."""
    size = max(1, AT_ONCE // w.numel())
    pieces = (torch.split(mask, size, 1), *(torch.split(tensor, size) for tensor in rows))
    for bits, *piece in zip(*pieces, strict=True):
        yield spread(bits, w.dtype), *piece


def _kernels_for(x: Tensor, w: Tensor) -> ctypes.CDLL | None:
    fits = x.device.type == "cpu" and x.dtype == w.dtype == torch.float32
    return library("dropconnect") if fits else None
