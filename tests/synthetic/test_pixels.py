"""Changes of pixel values against their definitions, by other implementations where there are some."""

from __future__ import annotations

import colorsys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import dovetail as dt
from dovetail.recipe.draws import Draws
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.facts import Input
from dovetail.recipe.spec import Spec
from dovetail.synthetic.focus import blurred
from dovetail.synthetic.mixup import Mix
from dovetail.synthetic.synthesis import Synthesis

S = dt.synthetic


def made(*specs: Spec, x: Tensor) -> tuple[Tensor, Mix | None]:
    return Synthesis(specs, Input("image", list(x.shape[1:]), "uint8"))(x, Draws(seed=5))


def seen(*specs: Spec, x: Tensor) -> Tensor:
    return made(*specs, x=x)[0]


def images(n: int = 4, channels: int = 3, size: int = 12) -> Tensor:
    g = torch.Generator().manual_seed(1)
    return 0.3 + 0.4 * torch.rand(n, channels, size, size, generator=g, dtype=torch.float64)


LUMA = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64).view(3, 1, 1)


def test_brightness_multiplies() -> None:
    torch.testing.assert_close(seen(S.color(brightness=[1.2, 1.2]), x=images()), images() * 1.2)


def test_contrast_stretches_about_the_mean_grey() -> None:
    x = images()
    mean = (x * LUMA).sum(1).mean((1, 2)).view(-1, 1, 1, 1)
    torch.testing.assert_close(seen(S.color(contrast=[0.5, 0.5]), x=x), mean + 0.5 * (x - mean))


def test_saturation_goes_from_grey_to_beyond() -> None:
    x = images()
    grey = (x * LUMA).sum(1, keepdim=True)
    torch.testing.assert_close(seen(S.color(saturation=[1.3, 1.3]), x=x), grey + 1.3 * (x - grey))


def test_brightness_comes_before_contrast() -> None:
    x = images()
    bright = x * 1.2
    mean = (bright * LUMA).sum(1).mean((1, 2)).view(-1, 1, 1, 1)
    both = seen(S.color(brightness=[1.2, 1.2], contrast=[0.5, 0.5]), x=x)
    torch.testing.assert_close(both, mean + 0.5 * (bright - mean))


def test_hue_turns_colours_and_keeps_greys_and_brightness() -> None:
    x = images()
    turned = seen(S.color(hue=[1 / 3, 1 / 3]), x=x)
    torch.testing.assert_close((turned * LUMA).sum(1), (x * LUMA).sum(1))
    grey = torch.full((1, 3, 2, 2), 0.4, dtype=torch.float64)
    torch.testing.assert_close(seen(S.color(hue=[0.3, 0.3]), x=grey), grey, atol=1e-5, rtol=0)
    reddish = torch.tensor([0.6, 0.4, 0.4], dtype=torch.float64).view(1, 3, 1, 1)
    hue = [colorsys.rgb_to_yiq(*seen(S.color(hue=[t, t]), x=reddish)[0, :, 0, 0].tolist())[1:] for t in (0.0, 0.25)]
    angle = torch.atan2(torch.tensor(hue[1][1]), torch.tensor(hue[1][0])) - torch.atan2(
        torch.tensor(hue[0][1]), torch.tensor(hue[0][0])
    )
    assert float(angle) == pytest.approx(torch.pi / 2, abs=0.02)


def test_pca_noise_has_the_covariance_of_principal_components() -> None:
    """Krizhevsky's sum over components, p lambda alpha with deviation 0.1, against ours."""
    x = images(1)
    x[:, 1] = 0.5 * x[:, 0] + 0.2
    many = x.expand(20000, 3, 12, 12)
    offset = (seen(S.color(pca=[0.1, 0.1]), x=many) - many)[:, :, 0, 0]
    flat = x[0].flatten(1)
    values, vectors = torch.linalg.eigh(flat.cov(correction=0))
    want = 0.01 * vectors @ torch.diag(values**2) @ vectors.T
    torch.testing.assert_close(offset.T.cov(), want, atol=0.05 * float(want.max()), rtol=0)


def test_grey_images_have_brightness_and_contrast() -> None:
    x = images(channels=1)
    mean = x.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(seen(S.color(contrast=[0.5, 0.5]), x=x), mean + 0.5 * (x - mean))


def test_blur_is_the_gaussian() -> None:
    x, sigma = images(3, 2, 15), torch.tensor([0.7, 1.5, 0.0], dtype=torch.float64)
    soft = blurred(x, sigma)
    for row in (0, 1):
        line = torch.arange(-14, 15, dtype=torch.float64)
        weights = (-(line**2) / (2 * sigma[row] ** 2)).exp()
        kernel = weights[:, None] * weights
        ones = torch.ones_like(x[row : row + 1, :1])
        total = F.conv2d(ones, kernel[None, None], padding=14)
        want = F.conv2d(x[row][:, None], kernel[None, None], padding=14)[:, 0] / total[0]
        torch.testing.assert_close(soft[row], want)
    assert torch.equal(soft[2], x[2])


def test_sharpen_undoes_some_of_a_blur() -> None:
    x = images()
    soft = blurred(x, torch.ones(1, dtype=torch.float64))
    sharp = seen(S.sharpen([1.0, 1.0]), x=soft)
    torch.testing.assert_close(sharp, 2 * soft - blurred(soft, torch.ones(1, dtype=torch.float64)))
    assert float((sharp - x).square().mean()) < 0.9 * float((soft - x).square().mean())


def test_noise_has_its_deviation() -> None:
    x = images(40)
    added = seen(S.noise([0.2, 0.2]), x=x) - x
    assert float(added.std()) == pytest.approx(0.2, rel=0.03)
    assert abs(float(added.mean())) < 0.01
    assert torch.equal(seen(S.noise(probability=0.0), x=x), x)


def test_cutout_paints_a_square_of_the_mean() -> None:
    x = images(200)
    cut = seen(S.cutout(4), x=x)
    painted = (cut - x.mean((2, 3), keepdim=True)).abs().amax(1) < 1e-12
    assert int(painted.sum((1, 2)).max()) == 16
    assert 9 < float(painted.sum((1, 2)).double().mean()) < 16  # at the edges a part lies outside
    assert torch.equal(torch.where(painted[:, None], x, cut), x)


def test_erase_paints_a_rectangle_of_its_area() -> None:
    x = images(300, size=20)
    erased = seen(S.erase(area=[0.25, 0.25], probability=0.5), x=x)
    share = ((erased != x).any(1)).double().mean((1, 2))
    hit = share > 0
    assert 110 < int(hit.sum()) < 190
    assert float(share[hit].mean()) == pytest.approx(0.25, abs=0.02)


def test_mixup_mixes_examples_and_says_how() -> None:
    x = images(50)
    mixed, mix = made(S.mixup(0.5), x=x)
    assert mix is not None
    share = mix.share.view(-1, 1, 1, 1)
    torch.testing.assert_close(mixed, share * x + (1 - share) * x[mix.partner])
    assert sorted(mix.partner.tolist()) == list(range(50))
    assert float(mix.share.min()) >= 0.5
    assert float(mix.share.std()) > 0.1


def test_mixup_shares_are_beta_distributed() -> None:
    from scipy.stats import beta, kstest

    _, mix = made(S.mixup(0.4), x=torch.zeros(4000, 1, 1, 1, dtype=torch.float64))
    assert mix is not None
    larger = lambda s: beta.cdf(s, 0.4, 0.4) - beta.cdf(1 - s, 0.4, 0.4)  # noqa: E731 (of the larger of s and 1 - s)
    assert kstest(mix.share.numpy(), larger).pvalue > 0.01


def test_mixup_comes_last() -> None:
    with pytest.raises(RecipeError, match="put it last"):
        made(S.mixup(), S.noise(), x=images())
