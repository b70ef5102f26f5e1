"""Recorded degradations: through JSON and back to the identical picture, and nothing unknown gets in."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from finesight.degrade import record
from finesight.degrade.record import Degradation
from finesight.errors import InputError, SettingError


def drawn(degradation: Degradation, seed: int = 0, scale: int = 4) -> record.Record:
    return record.sample(degradation, scale, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("degradation", record.DEGRADATIONS)
def test_json_round_trip_gives_the_identical_record_and_picture(degradation: Degradation) -> None:
    image = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    for seed in range(8):
        before = drawn(degradation, seed)
        after = record.loads(record.dumps(before), name="a.json")
        assert after == before
        low = record.apply(image, after)
        assert torch.equal(low, record.apply(image, before))
        assert low.shape == (1, 3, 12, 16)
        assert 0 <= float(low.min()) <= float(low.max()) <= 1


def changed(degradation: Degradation, path: str, value: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(record.dumps(drawn(degradation)))
    *parents, last = path.split(".")
    place = content
    for name in parents:
        place = place[name]
    place[last] = value
    return content


@pytest.mark.parametrize(
    ("degradation", "path", "value", "said"),
    [
        ("real-esrgan", "parameter", {}, "unknown key 'parameter'. Did you mean parameters"),
        ("real-esrgan", "parameters.first.blurr", 1, r"parameters\.first: unknown key 'blurr'. Did you mean blur"),
        ("real-esrgan", "degradation", "real-esrgn", "degradation: expected .* Did you mean real-esrgan"),
        ("real-esrgan", "degradation", ["bicubic"], "degradation: expected"),
        ("real-esrgan", "scale", 0, "scale: expected 1"),
        ("real-esrgan", "scale", True, "scale: expected a whole number, found true"),
        ("real-esrgan", "parameters.first.quality", "70", 'quality: expected a number, found "70"'),
        ("real-esrgan", "parameters.first.quality", 100, "quality: expected above 0 to 99.999, found 100"),
        ("real-esrgan", "parameters.second.resize.factor", 0, "factor: expected above 0"),
        ("real-esrgan", "parameters.second.resize.factor", float("nan"), "expected a finite number"),
        ("real-esrgan", "parameters.second.resize.mode", "nearest", "expected area, bilinear, bicubic"),
        ("real-esrgan", "parameters.first.noise.seed", -1, "seed: expected 0"),
        ("real-esrgan", "parameters.final_sinc", {"family": "sinc"}, "final_sinc: missing size"),
        ("real-esrgan", "parameters", None, "parameters: expected an object"),
        ("first-order", "parameters.sigma", [1.0], "sigma: expected 2 numbers"),
        ("first-order", "parameters.sigma", [1.0, 0], r"sigma\[1\]: expected 0.001 to 100, found 0"),
        ("first-order", "parameters.quality", 70.5, "quality: expected a whole number"),
        ("bicubic", "parameters", {}, "parameters: expected null"),
    ],
)
def test_what_does_not_fit_is_named(degradation: Degradation, path: str, value: Any, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        record.from_dict(changed(degradation, path, value))


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        ({"family": "iso", "size": 8, "sigma_x": 1.0}, "size: expected an odd number"),
        ({"family": "aniso", "size": 23, "sigma_x": 1.0}, "size: expected 1 to 21"),
        ({"family": "aniso", "size": 9, "sigma_x": 1.0, "sigma_y": 0.0}, "sigma_y"),
        ({"family": "sinc", "size": 9, "cutoff": 4.0}, "cutoff"),
    ],
)
def test_kernels_that_cannot_be_made_are_named(kernel: dict[str, Any], said: str) -> None:
    whole = {"sigma_x": 0.0, "sigma_y": 1.0, "angle": 0.0, "shape": 1.0, "cutoff": 1.0} | kernel
    with pytest.raises(SettingError, match=said):
        record.from_dict(changed("real-esrgan", "parameters.first.blur", whole))


def test_files_are_named() -> None:
    with pytest.raises(InputError, match=r"a\.json is not JSON"):
        record.loads("{", name="a.json")
    with pytest.raises(SettingError, match=r"a\.json: the record: expected an object"):
        record.loads("[]", name="a.json")
