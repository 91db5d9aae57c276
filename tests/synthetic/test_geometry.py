"""Warps move pixels where they say, several as one, and every row by itself."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import dovetail as dt
from dovetail.recipe.draws import Draws
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.facts import Input
from dovetail.recipe.spec import Spec
from dovetail.synthetic.elastic import smooth_basis
from dovetail.synthetic.flow import Flow
from dovetail.synthetic.synthesis import Synthesis
from dovetail.synthetic.transform import Draw

S = dt.synthetic


def seen(*specs: Spec, x: Tensor, step: int = 0, first: int = 0) -> Tensor:
    draws = Draws(seed=3)
    draws.step, draws.first = step, first
    return Synthesis(specs, Input("image", list(x.shape[1:]), "uint8"))(x, draws)[0]


def blob(size: int = 33, at: tuple[float, float] = (0.0, 0.0), width: float = 2.0, n: int = 6) -> Tensor:
    """Images of one soft spot, x and y from the middle."""
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    spot = (-((place[None, :] - at[0]) ** 2 + (place[:, None] - at[1]) ** 2) / (2 * width**2)).exp()
    return spot.expand(n, 1, size, size).clone()


def middle(x: Tensor) -> Tensor:
    """(N, 2): the centre of mass, x and y from the middle."""
    place = torch.arange(x.shape[-1], dtype=x.dtype) - (x.shape[-1] - 1) / 2
    mass = x.sum((1, 2, 3))
    return torch.stack([(x.sum((1, 2)) * place).sum(1) / mass, (x.sum((1, 3)) * place).sum(1) / mass], 1)


def spread(x: Tensor) -> Tensor:
    """(N, 2): variances along x and y."""
    place = torch.arange(x.shape[-1], dtype=x.dtype) - (x.shape[-1] - 1) / 2
    mass, centre = x.sum((1, 2, 3))[:, None], middle(x)
    across = (x.sum((1, 2)) * (place - centre[:, :1]) ** 2).sum(1)
    down = (x.sum((1, 3)) * (place - centre[:, 1:]) ** 2).sum(1)
    return torch.stack([across, down], 1) / mass


def test_nothing_changes_nothing() -> None:
    x = torch.rand(4, 3, 9, 12, dtype=torch.float64)
    still = [S.shift(0.0), S.scale(0.0), S.rotate(0.0), S.shear(0.0), S.squeeze(0.0), S.elastic(0.0)]
    torch.testing.assert_close(seen(*still, S.flip(probability=0.0), x=x), x)
    torch.testing.assert_close(seen(S.crop(area=[1.0, 1.0]), x=x), x)
    never = [S.shift(5, probability=0.0), S.rotate(90, probability=0.0), S.elastic(probability=0.0)]
    torch.testing.assert_close(seen(*never, x=x), x)


def test_shift_moves_by_what_it_says() -> None:
    moved = middle(seen(S.shift([3, 3]), x=blob()))
    torch.testing.assert_close(moved, torch.full((6, 2), 3.0, dtype=torch.float64), atol=1e-3, rtol=0)
    drawn = middle(seen(S.shift(4), x=blob(n=200)))
    assert (drawn.abs() < 4.01).all()
    assert (drawn.amax(0) > 3.5).all()
    assert (drawn.amin(0) < -3.5).all()
    assert drawn.T.corrcoef()[0, 1].abs() < 0.2  # the axes are drawn by themselves


def test_rotate_turns_against_the_clock() -> None:
    turned = middle(seen(S.rotate([90, 90]), x=blob(at=(8.0, 0.0))))
    torch.testing.assert_close(turned, torch.tensor([[0.0, -8.0]] * 6, dtype=torch.float64), atol=1e-3, rtol=0)
    a = math.radians(30)
    tilted = middle(seen(S.rotate([30, 30]), x=blob(at=(8.0, 0.0))))
    want = torch.tensor([[8 * math.cos(a), -8 * math.sin(a)]] * 6, dtype=torch.float64)
    torch.testing.assert_close(tilted, want, atol=1e-2, rtol=0)


def test_scale_and_squeeze_change_widths() -> None:
    before = spread(blob(width=3.0))
    scaled = spread(seen(S.scale([1.5, 1.5]), x=blob(width=3.0))) / before
    torch.testing.assert_close(scaled, torch.full_like(scaled, 2.25), atol=0.06, rtol=0)
    squeezed = spread(seen(S.squeeze([1.5, 1.5]), x=blob(width=3.0))) / before
    torch.testing.assert_close(squeezed[0], torch.tensor([2.25, 1 / 2.25], dtype=torch.float64), atol=0.1, rtol=0)


def test_shear_slants_rows() -> None:
    moved = middle(seen(S.shear([0.5, 0.5]), x=blob(at=(0.0, -6.0))))
    torch.testing.assert_close(moved[0], torch.tensor([3.0, -6.0], dtype=torch.float64), atol=0.01, rtol=0)


@pytest.mark.parametrize("axis", ["horizontal", "vertical"])
def test_flip_mirrors_exactly(axis: str) -> None:
    x = torch.rand(400, 1, 5, 6, dtype=torch.float64)
    flipped = seen(S.flip(axis), x=x)
    mirror = x.flip(3 if axis == "horizontal" else 2)
    same, other = ((flipped - y).abs().amax((1, 2, 3)) < 1e-9 for y in (x, mirror))
    assert (same ^ other).all()
    assert 150 < int(other.sum()) < 250


def test_crop_moves_by_whole_pixels_and_repeats_the_edge() -> None:
    x = torch.rand(300, 3, 8, 8, dtype=torch.float64)
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="replicate")
    windows = torch.stack([padded[:, :, i : i + 8, j : j + 8] for i in range(5) for j in range(5)])
    off = (seen(S.crop(2), x=x) - windows).abs().amax((2, 3, 4))
    assert (off.amin(0) < 1e-9).all()
    assert len(off.argmin(0).unique()) == 25


def test_crop_of_an_area_shows_a_part_of_the_image() -> None:
    ramp = torch.linspace(0, 1, 40, dtype=torch.float64).expand(200, 1, 40, 40)
    shown = seen(S.crop(area=[0.25, 0.25]), x=ramp)[:, 0, 20]
    width = shown[:, -1] - shown[:, 0]
    torch.testing.assert_close(width, torch.full_like(width, 0.5), atol=0.02, rtol=0)  # half the width is shown
    assert shown[:, 0].min() < 0.02
    assert shown[:, -1].max() > 0.98


def test_warps_in_a_row_are_one_resampling() -> None:
    x = torch.rand(5, 1, 12, 12, dtype=torch.float64)
    there_and_back = seen(S.shift([2.4, 2.4]), S.shift([-2.4, -2.4]), S.rotate([33, 33]), S.rotate([-33, -33]), x=x)
    torch.testing.assert_close(there_and_back, x)  # two resamplings would have blurred it


def test_warps_are_applied_in_their_order() -> None:
    right_then_turned = middle(seen(S.shift([6, 6]), S.rotate([90, 90]), x=blob()))
    torch.testing.assert_close(right_then_turned[0], torch.tensor([6.0, -6.0], dtype=torch.float64), atol=0.01, rtol=0)
    turned_then_right = middle(seen(S.rotate([90, 90]), S.shift([6, 6]), x=blob()))
    torch.testing.assert_close(turned_then_right[0], torch.tensor([6.0, 6.0], dtype=torch.float64), atol=0.01, rtol=0)


def test_rows_do_not_depend_on_the_batch_they_are_in() -> None:
    x, every = torch.rand(10, 1, 8, 8), [S.shift(2), S.elastic(20), S.noise(), S.blur(), S.erase()]
    whole = seen(*every, x=x, step=7)
    assert torch.equal(whole[4:], seen(*every, x=x[4:], step=7, first=4))
    assert not torch.equal(whole, seen(*every, x=x, step=8))


def test_elastic_has_the_covariance_of_blurred_noise() -> None:
    """The displacement against Simard's recipe itself: uniform noise, a Gaussian over it, times alpha."""
    size, sigma, alpha, n = 28, 4.0, 34.0, 4000
    generator = torch.Generator().manual_seed(0)
    line = torch.arange(-16, 17.0)
    weights = (-(line**2) / (2 * sigma**2)).exp()
    weights /= weights.sum()
    noise = torch.rand(n, 1, size + 32, size + 32, generator=generator) * 2 - 1
    smooth = torch.nn.functional.conv2d(noise, weights.view(1, 1, 1, -1))
    smooth = alpha * torch.nn.functional.conv2d(smooth, weights.view(1, 1, -1, 1))[:, 0]
    flow = Flow(torch.zeros(n, 1, size, size))
    S.elastic(alpha).make(torch.zeros(1, 1, size, size)).warp(flow, Draw(Draws(0), "test", torch.zeros(n, 1)))
    places = flow.places()
    plain = Flow(torch.zeros(1, 1, size, size)).places()
    ours = (places - plain)[..., 0] * size / 2
    assert abs(float(ours.std() / smooth.std()) - 1) < 0.02
    for distance in (2, 4, 8):
        want = float((smooth[:, 14, 6] * smooth[:, 14, 6 + distance]).mean())
        got = float((ours[:, 14, 6] * ours[:, 14, 6 + distance]).mean())
        assert abs(got - want) < 0.12, (distance, got, want)


def test_few_functions_carry_the_displacement() -> None:
    assert smooth_basis(28, 4.0).shape[1] <= 12
    exact = smooth_basis(28, 4.0) @ smooth_basis(28, 4.0).T
    deviation = float(exact.diagonal().mean() ** 0.5)
    line = torch.arange(-40, 41, dtype=torch.float64)
    weights = (-(line**2) / 32).exp()
    assert deviation == pytest.approx(float((weights / weights.sum()).square().sum() ** 0.5), rel=1e-3)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (S.scale(1.5), "synthetic[0] scale: a factor stays above 0: give less than 1, or [lowest, highest], not 1.5"),
        (S.shear(8), "synthetic[0] shear: by is a slope of at most 2 (0.2 is about 11 degrees), not 8"),
        (S.shift([3.0, 1.0]), "synthetic[0] shift: a range goes from its lowest to its highest, not from 3.0 to 1.0"),
        (
            S.crop(area=[0.5, 2.0]),
            "synthetic[0] crop: area is a share of the image, above 0 and at most 1, not [0.5, 2.0]",
        ),
        (
            S.elastic(sigma=0),
            "synthetic[0] elastic: sigma is above 0: the displacement is smooth over that many pixels",
        ),
        (S.color(hue=0.1), "synthetic[0] color: hue: images with three channels have colours, these have 1"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_options_are_told(spec: Spec, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        Synthesis([spec], Input("image", [1, 8, 8], "uint8"))
    assert str(error.value) == message


def test_arrays_are_moved_but_not_recoloured() -> None:
    numbers = Input("array", [3, 8, 8], "float32")
    Synthesis([S.rotate(), S.blur(), S.cutout(2), S.mixup()], numbers)
    for spec in (S.color(brightness=0.1), S.sharpen(), S.noise(), S.erase()):
        with pytest.raises(RecipeError, match="these data are numbers"):
            Synthesis([spec], numbers)


def test_tables_have_no_synthetic_images() -> None:
    with pytest.raises(RecipeError, match="expects images"):
        Synthesis([S.rotate()], Input("table", [5], "float32"))
