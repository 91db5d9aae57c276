"""Where each pixel of a synthetic image comes from: affine maps and smooth displacements in one small table.

With positions y, x counted from the middle of the image, a backward map (from a pixel to where it is read) is kept as

    source[i](y, x) = sum over a, b of C[i, a, b] * f[a](y) * g[b](x),   i = 0 for x, 1 for y

where the first two functions are f = (1, y), g = (1, x), which hold every affine map, and the others span smooth
displacements. Composing transforms changes the table, of a hundred numbers an image, and nothing else; two matrix
products and one bilinear interpolation then make the images.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


class Flow:
    """The identity on a batch (N, C, H, W), to which warps are added, the first to be applied first."""

    def __init__(self, x: Tensor) -> None:
        self.rows, _, self.height, self.width = x.shape
        self._like = x
        self.affine = x.new_zeros(self.rows, 2, 3)  # source x, y from (x, y, 1)
        self.affine[:, 0, 0] = 1
        self.affine[:, 1, 1] = 1
        self.bends: list[tuple[Tensor, Tensor, Tensor]] = []

    def turn(self, linear: Tensor) -> None:
        """Add a linear backward map (N, 2, 2), from a place in the new image to the old one's, x before y."""
        self.affine = torch.cat([self.affine[:, :, :2] @ linear, self.affine[:, :, 2:]], 2)

    def move(self, shift: Tensor) -> None:
        """Add a shift (N, 2) in pixels, x before y: the new image shows at p what the old one had at p - shift."""
        self.affine[:, :, 2] -= (self.affine[:, :, :2] @ shift[:, :, None])[:, :, 0]

    def bend(self, table: Tensor, f: Tensor, g: Tensor) -> None:
        """Add a displacement sum over a, b of table[:, i, a, b] f[:, a] g[:, b] in pixels, table (N, 2, A, B).

        The displacement is drawn in the frame of the finished image, whatever follows it.
        """
        turned = (self.affine[:, :, :2] @ table.flatten(2)).view_as(table)
        self.bends.append((turned, f, g))

    def places(self) -> Tensor:
        """(N, H, W, 2): where each pixel is read, x before y, from -1 to 1 between the image's edges."""
        x, y = centred(self.width, self._like), centred(self.height, self._like)
        scale = self._like.new_tensor([2 / self.width, 2 / self.height])
        wide = [2, *(f.shape[1] for _, f, _ in self.bends)], [2, *(g.shape[1] for _, _, g in self.bends)]
        table = self._like.new_zeros(self.rows, 2, sum(wide[0]), sum(wide[1]))
        affine = self.affine * scale[:, None]
        table[:, :, 0, 1] = affine[:, :, 0]
        table[:, :, 1, 0] = affine[:, :, 1]
        table[:, :, 0, 0] = affine[:, :, 2]
        a = b = 2
        for bend, f, g in self.bends:
            table[:, :, a : a + f.shape[1], b : b + g.shape[1]] = bend * scale[:, None, None]
            a, b = a + f.shape[1], b + g.shape[1]
        along_y = torch.cat([torch.stack([torch.ones_like(y), y], 1), *(f for _, f, _ in self.bends)], 1)
        along_x = torch.cat([torch.stack([torch.ones_like(x), x], 1), *(g for _, _, g in self.bends)], 1)
        return (along_y @ (table @ along_x.T)).permute(0, 2, 3, 1)

    def resample(self, x: Tensor) -> Tensor:
        """The images as they are seen through the flow, bilinear; beyond an edge its nearest pixel goes on."""
        return F.grid_sample(x, self.places(), padding_mode="border", align_corners=False)


def centred(size: int, like: Tensor) -> Tensor:
    """Positions of pixels counted from the middle: (-1, 0, 1) for three."""
    return torch.arange(size, device=like.device, dtype=like.dtype) - (size - 1) / 2
