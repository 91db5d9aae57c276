"""A segmenter: where a line may be cut, and all pieces between a few neighbouring cuts as images."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.build import push
from ..recipe.sequences import Lattice, Sequences
from ..recipe.spec import Layers, sees_time
from .cuts import cuts_of, pairs_of
from .sweep import Swept, swept

Count = Annotated[int, Field(gt=0)]


class Segmented(nn.Module):
    """Lines to lattices of pieces, of the lines or of what `trunk` makes of them; cuts are not learned."""

    sees_time = True

    def __init__(self, shape: tuple[int, int], most: int, width: int, apart: int, wide: int, trunk: Swept | None):
        super().__init__()
        self.shape, self.most, self.apart, self.wide, self.trunk = shape, most, apart, wide, trunk
        self.step = trunk.step if trunk else 1
        self.width, self.frames = width, -(-width // self.step)

    def forward(self, x: Sequences) -> Lattice:
        cuts, columns, pieces, ends = self.cut(x)
        features = self.trunk(x) if self.trunk else x
        return Lattice(
            self.images(features, columns.to(x.device), torch.repeat_interleave(pieces).to(x.device)),
            pieces.to(x.device),
            cuts=cuts,
            columns=columns,
            ends=ends,
        )

    def cut(self, x: Sequences) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The cuts and the columns (pieces, 2) of all pieces, how many there are of each line, and its last cut."""
        sums = x.values.double().sum(1).float()  # in double precision first, so that equal columns are so everywhere
        ink, bright = x.having(sums).padded(), x.having(x.values.float().amax(1)).padded()
        lines = ink.cpu().numpy(), bright.cpu().numpy(), x.lengths.cpu().numpy()
        places, counts = cuts_of(*lines, self.apart, self.wide)
        cuts, columns, pieces = pairs_of(places, counts, self.most, self.width)
        whole = torch.from_numpy
        return whole(cuts), whole(columns), whole(pieces), whole(counts - 1)

    def images(self, features: Sequences, columns: Tensor, owners: Tensor) -> Tensor:
        """(pieces, C, H, frames): a piece's frames in the middle; beside them nothing or, with a trunk, what is there
        and one channel more, the share of each frame's columns that is the piece's."""
        window, pad = (self.trunk.window, self.trunk.pad) if self.trunk else (1, 0)
        begin, end = columns[:, :1], columns[:, 1:]
        twice = begin + end + 2 * pad - window - self.step * (self.frames - 1)  # the first frame's place, times 2 step
        first = torch.div(twice + self.step, 2 * self.step, rounding_mode="floor")
        frames = first + torch.arange(self.frames, device=columns.device)
        left = frames * self.step + (window - self.step) / 2 - pad  # where the columns begin that a frame stands for
        share = ((left + self.step).minimum(end) - left.maximum(begin)).clamp(min=0) / self.step
        inside = (frames >= 0) & (frames < features.lengths[owners, None])
        if self.trunk is None:
            inside &= share > 0
        values = torch.cat([features.values, features.values.new_zeros(1, *features.values.shape[1:])])
        starts = (features.lengths.cumsum(0) - features.lengths)[owners, None]
        places = (starts + frames).where(inside, len(values) - 1)  # nothing is what the last row has
        images = values.index_select(0, places.flatten()).view(*places.shape, *self.shape).permute(0, 2, 3, 1)
        if self.trunk is None:
            return images
        own = share.to(images.dtype)[:, None, None].expand(-1, 1, self.shape[1], -1)
        return torch.cat([images, own], 1)

    def specimen(self, x: Sequences) -> Lattice:
        channels, height = self.shape
        if self.trunk is not None:
            push(self.trunk, x)  # for those who watch its layers
        values = x.values.new_empty((4, channels + (self.trunk is not None), height, self.frames))
        two, pairs = torch.tensor([2, 2]), torch.tensor([[0, 1], [0, 1], [0, 1], [0, 1]])
        return Lattice(values, two, cuts=pairs, columns=pairs, ends=torch.tensor([1, 1]))


@layer
@sees_time
def segments(
    x: Any, most: Count = 6, width: Count = 28, apart: Count = 2, wide: Count = 12, layers: Layers | None = None
) -> nn.Module:
    """Cut a line wherever a character may end, and make an image of every piece between cuts that are near.

    Cuts are where writing begins and ends, in gaps and at the thinnest columns, at least `apart` columns from one
    another and at most `wide`; pieces span at most `most` stretches between neighbouring cuts and `width` columns. Each
    becomes an image with the piece in its middle and nothing beside it, and what follows takes each as an example; with
    `automaton` all ways to cut are weighed against one another. `layers` are swept over the whole line first (`sweep`
    says which can be), once for all pieces: images are then of their channels and one more that tells which frames are
    the piece's own, what is beside it stays, and a neighbour's stroke is known for what it is.

    Shapes: sequences of columns (N, T, H), 0 where nothing is written -> a lattice of pieces (N, pieces, 1, H, width),
    or (N, pieces, C + 1, H', width / step) of layers that make (C, H') of every step columns. Raises `ValueError` for
    other inputs. LeCun et al. (1998), Gradient-based learning applied to document recognition, section IV, heuristic
    over-segmentation.

    >>> import dovetail as dt
    >>> dt.segments(most=3)
    segments(3)
    """
    if not isinstance(x, Sequences) or x.values.dim() != 2 or x.fields:
        raise ValueError("takes sequences of columns (N, T, H), as lines to read are")
    if wide < 2 * apart:
        raise ValueError(f"wide: {wide} columns are less than two times {apart}, the least between cuts")
    height = x.values.shape[1]
    if layers is None:
        return Segmented((1, height), most, width, apart, wide, None)
    trunk, shape = swept(layers, height, ".segments.layers")
    return Segmented(shape, most, width, apart, wide, trunk)
