"""The membrane over a hole, and rays that leave it."""

from __future__ import annotations

import numpy as np
import torch

from finesight.nn.harmonic import harmonic_fill
from finesight.nn.rays import AXES, RAYS, ray_distances, ray_values


def laplace(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The discrete Laplace equation solved as one dense system; the border reflects."""
    places = {place: number for number, place in enumerate(zip(*np.nonzero(mask), strict=True))}
    matrix, right = np.zeros((len(places), len(places))), np.zeros(len(places))
    for (y, x), row in places.items():
        for down, across in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            other = (min(max(y + down, 0), mask.shape[0] - 1), min(max(x + across, 0), mask.shape[1] - 1))
            matrix[row, row] += 1
            if mask[other]:
                matrix[row, places[other]] -= 1
            else:
                right[row] += image[other]
    solved = image.copy()
    solved[mask] = np.linalg.solve(matrix, right)
    return solved


def test_harmonic_fill_solves_the_laplace_equation() -> None:
    random = np.random.default_rng(0)
    image = random.random((24, 31))
    mask = np.zeros((24, 31), bool)
    mask[5:17, 6:25] = True
    mask[0:4, 0:7] = True  # at the border
    mask[10:12, 10:15] = False  # an island
    expected = laplace(image, mask)
    given = torch.from_numpy(image).float()[None, None]
    hole = torch.from_numpy(mask).float()[None, None]
    found = harmonic_fill(given, hole, sweeps=128)[0, 0].numpy()
    assert np.array_equal(found[~mask], given[0, 0].numpy()[~mask])
    assert np.abs(found - expected).max() < 0.02
    coarse = harmonic_fill(given, hole)[0, 0].numpy()
    assert np.abs(found - expected).mean() < np.abs(coarse - expected).mean() < 0.05


def test_harmonic_fill_continues_a_ramp_and_does_not_look_into_the_hole() -> None:
    ramp = torch.linspace(0, 1, 33).expand(1, 2, 33, 33).contiguous()
    mask = torch.zeros(1, 1, 33, 33)
    mask[..., 8:24, 8:24] = 1
    found = harmonic_fill(torch.where(mask > 0, torch.nan, ramp), mask, sweeps=96)
    assert (found - ramp).abs().max() < 2e-3


def test_harmonic_fill_where_nothing_is_known() -> None:
    assert harmonic_fill(torch.rand(1, 3, 7, 9), torch.ones(1, 1, 7, 9)).abs().max() == 0


def test_rays_by_walking() -> None:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, 8, 11, generator=generator)
    mask = (torch.rand(2, 1, 8, 11, generator=generator) < 0.8).float()
    fallback = torch.full_like(image, 7.0)
    distances = ray_distances(mask, reach=3)
    values = ray_values(image, distances, fallback, reach=3)
    assert [RAYS[i + 8] for i in range(8)] == [(-down, -right) for down, right in AXES]
    for n in range(2):
        for ray, (down, right) in enumerate(RAYS):
            for y in range(8):
                for x in range(11):
                    seen = next(
                        (
                            k
                            for k in range(8)
                            if 0 <= y + k * down < 8
                            and 0 <= x + k * right < 11
                            and mask[n, 0, y + k * down, x + k * right] == 0
                        ),
                        None,
                    )
                    assert distances[n, ray, y, x] == (8 if seen is None else seen)
                    wanted = fallback[n, :, y, x] if seen is None else image[n, :, y + seen * down, x + seen * right]
                    assert torch.equal(values[n, ray, :, y, x], wanted)
