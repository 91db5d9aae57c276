"""Recurrent layers: each place sees what came before it, and what comes after where they read both ways."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ..recipe import layer
from ..recipe.sequences import Sequences
from ..recipe.spec import sees_time

Count = Annotated[int, Field(gt=0)]


class Recurrent(nn.Module):
    """PyTorch's LSTM on sequences of various lengths."""

    sees_time = True

    def __init__(self, inputs: int, units: int, layers: int, both: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, units, layers, batch_first=True, bidirectional=both)
        self.width = units * (1 + both)
        for name, parameter in self.lstm.named_parameters():
            with torch.no_grad():
                if "bias_ih" in name:
                    parameter[units : 2 * units].add_(1.0)  # it forgets little at first

    def forward(self, x: Sequences | Tensor) -> Sequences | Tensor:
        if isinstance(x, Tensor):
            output: Tensor = self.lstm(x)[0]
            return output
        order = x.lengths.argsort(descending=True, stable=True)
        packed = pack_padded_sequence(x.padded()[order], x.lengths[order].cpu(), batch_first=True)
        rows, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return Sequences.of(rows[order.argsort()], x.lengths)

    def specimen(self, x: Sequences | Tensor) -> Sequences | Tensor:
        if isinstance(x, Tensor):
            return x.new_empty((*x.shape[:-1], self.width))
        for weight in (w for w in self.lstm.parameters() if w.dim() > 1):  # its work: each meets every place once
            x.values.new_empty((len(x.values), weight.shape[1])) @ torch.empty_like(weight, device="meta").T
        return x.having(x.values.new_empty((len(x.values), self.width)))


@layer
@sees_time
def lstm(x: Sequences | Tensor, units: Count, layers: Count = 1, both: bool = False) -> nn.Module:
    """Long short-term memory: units that keep what they saw until they are told to forget it.

        i, f, o = sigmoid(W x[t] + U h[t-1] + b);  c[t] = f c[t-1] + i tanh(W_c x[t] + U_c h[t-1] + b_c)
        h[t] = o tanh(c[t]);  the forget gate's b begins 1 higher than PyTorch's

    Shapes: sequences or (N, T, F) -> the same with `units` features, twice as many where it reads `both` ways.
    Hochreiter and Schmidhuber (1997), Long short-term memory; Jozefowicz et al. (2015) for b; PyTorch's LSTM.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.lstm(8, both=True)], torch.zeros(1, 5, 3))(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 5, 16])
    """
    inputs = x.values.shape[1:] if isinstance(x, Sequences) else x.shape[2:]
    if len(inputs) != 1 or (isinstance(x, Sequences) and x.fields):
        raise ValueError("takes sequences of vectors (N, T, F); words need an embedding first, images flatten")
    return Recurrent(inputs[0], units, layers, both)
