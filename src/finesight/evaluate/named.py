"""Metrics by name, with the network or parameters they need: ``psnr``, ``ssim``, ``lpips-alex``, ``niqe`` ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn

from finesight import metrics
from finesight.errors import InputError, SettingError, nearest
from finesight.evaluate import parameters
from finesight.evaluate.protocols import Protocol
from finesight.metrics import alpha
from finesight.metrics.colour import luma
from finesight.metrics.inputs import check_pair, crop
from finesight.metrics.temporal import tlpips, tof

__all__ = ["METRICS", "Metric", "View", "describe_metric", "load_metric", "load_metrics"]

Direction = Literal["higher", "lower"]
Need = Literal["reference", "mask", "clip"]


@dataclass(frozen=True)
class View:
    """How a protocol looks at pictures.

    Args:
        protocol: colour and kind of SSIM.
        border: pixels left out on each side.
        mask: (1, 1, H, W), 1 = hole, for metrics that need one; trimaps are in [0, 1].
    """

    protocol: Protocol
    border: int = 0
    mask: Tensor | None = None


Measure = Callable[[Tensor, Tensor, View], Tensor]
"""From (restored, reference, view) to one value a picture; metrics without reference are given the picture twice."""


@dataclass(frozen=True)
class Metric:
    """A metric ready to use.

    Args:
        name: as asked for.
        title: in tables.
        better: which direction is.
        needs: a reference, a mask; with ``clip`` it is given two frames after each other, (2, 3, H, W).
        decimals: printed.
        measure: the function.
    """

    name: str
    title: str
    better: Direction
    needs: frozenset[Need]
    decimals: int
    measure: Measure


@dataclass(frozen=True)
class _Entry:
    """How a metric is made: ``load`` gives what ``measure`` takes as its last argument."""

    title: str
    better: Direction
    measure: Callable[..., Tensor]
    decimals: int = 4
    needs: frozenset[Need] = frozenset({"reference"})
    load: Callable[..., object] | None = None


def _coloured(restored: Tensor, reference: Tensor, view: View) -> tuple[Tensor, Tensor]:
    return (luma(restored), luma(reference)) if view.protocol.colour == "y" else (restored, reference)


def _psnr(restored: Tensor, reference: Tensor, view: View) -> Tensor:
    return metrics.psnr(*_coloured(restored, reference, view), border=view.border)


def _ssim(restored: Tensor, reference: Tensor, view: View) -> Tensor:
    measure = metrics.ssim_blue if view.protocol.ssim == "blue" else metrics.ssim
    return measure(*_coloured(restored, reference, view), border=view.border)


def _mae(restored: Tensor, reference: Tensor, view: View) -> Tensor:
    check_pair(restored, reference, what="the mean absolute error")
    return (crop(restored, view.border) - crop(reference, view.border)).abs().double().mean(dim=(1, 2, 3))


def _l1_hole(restored: Tensor, reference: Tensor, view: View) -> Tensor:
    check_pair(restored, reference, what="the error inside the hole")
    assert view.mask is not None
    hole = (view.mask > 0.5).to(restored).expand_as(restored)
    count = hole.sum(dim=(1, 2, 3), dtype=torch.float64)
    if not bool((count > 0).all()):
        raise InputError("the mask has no hole: there is nothing to measure inside it")
    return ((restored - reference).abs() * hole).sum(dim=(1, 2, 3), dtype=torch.float64) / count


def _unknown(restored: Tensor, reference: Tensor, view: View) -> tuple[Tensor, Tensor, Tensor]:
    """Two alphas and where the trimap (the mask: 0 background, 1 foreground) leaves them open."""
    assert view.mask is not None
    if restored.shape[1] != 1:
        restored, reference = restored[:, :1], reference[:, :1]  # a grey alpha that was written as colour
    trimap = view.mask.to(restored)
    known = (trimap <= 0) | (trimap >= 1)
    wrong = int((known & ((restored - trimap).abs() > 1e-6)).sum())
    if wrong:
        raise InputError(f"{wrong} pixels of the alpha contradict the trimap: set known pixels to 0 and 1 first")
    return restored, reference, ~known


def _alpha(
    function: Callable[[Tensor, Tensor, Tensor], Tensor], restored: Tensor, reference: Tensor, view: View
) -> Tensor:
    return function(*_unknown(restored, reference, view))


def _sad(restored: Tensor, reference: Tensor, view: View) -> Tensor:
    return alpha.sad(*_unknown(restored, reference, view)[:2])


def _grey(function: Callable[..., Tensor], restored: Tensor, reference: Tensor, view: View, *given: object) -> Tensor:
    """Metrics whose published form takes the rounded grey luma."""
    pair = (luma(restored, "gray-rounded"), luma(reference, "gray-rounded"))
    return function(*pair, *given, border=view.border)


def _colour(function: Callable[..., Tensor], restored: Tensor, reference: Tensor, view: View) -> Tensor:
    return function(restored, reference, border=view.border)


def _single(function: Callable[..., Tensor], restored: Tensor, _: Tensor, view: View, *given: object) -> Tensor:
    return function(restored, *given, border=view.border)


def _learned(restored: Tensor, reference: Tensor, view: View, network: nn.Module) -> Tensor:
    check_pair(restored, reference, what="this metric")
    pair = (crop(restored, view.border).float(), crop(reference, view.border).float())
    if pair[0].shape[1] == 1:  # a grey picture is one whose colours are equal
        pair = (pair[0].expand(-1, 3, -1, -1), pair[1].expand(-1, 3, -1, -1))
    values: Tensor = network(*pair)
    return values


def _learned_map(restored: Tensor, reference: Tensor, view: View, network: nn.Module) -> Tensor:
    return _learned(restored, reference, view, _MeanOfMap(network))


class _MeanOfMap(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        values: Tensor = self.network.map(image, reference).mean(dim=(1, 2, 3))  # type: ignore[operator]
        return values


def _niqe_grey(image: Tensor, model: metrics.NiqeModel, *, border: int) -> Tensor:
    return metrics.niqe(image, model, luma="gray-rounded", border=border)


def _tof(restored: Tensor, reference: Tensor, view: View) -> Tensor:
    return tof(crop(_three(restored), view.border), crop(_three(reference), view.border))


def _tlpips(restored: Tensor, reference: Tensor, view: View, network: nn.Module) -> Tensor:
    pair = (crop(_three(restored), view.border).float(), crop(_three(reference), view.border).float())
    return tlpips(*pair, network)


def _three(clip: Tensor) -> Tensor:
    return clip.expand(-1, 3, -1, -1)  # a grey picture is one whose colours are equal


_NONE: frozenset[Need] = frozenset()
_MOVING: frozenset[Need] = frozenset({"reference", "clip"})
_MASKED: frozenset[Need] = frozenset({"reference", "mask"})


def _lpips(trunk: Literal["alex", "vgg", "squeeze"], version: Literal["0.0", "0.1"]) -> _Entry:
    title = f"LPIPS ({trunk}{', v0.0' if version == '0.0' else ''})"
    return _Entry(title, "lower", _learned, load=partial(parameters.lpips_network, trunk, version))


_PUBLISHED_NIQE = partial(parameters.niqe_model, "published")

_ENTRIES: dict[str, _Entry] = {
    "psnr": _Entry("PSNR", "higher", _psnr, decimals=2),
    "ssim": _Entry("SSIM", "higher", _ssim),
    "mae": _Entry("MAE", "lower", _mae),
    "ms-ssim": _Entry("MS-SSIM", "higher", partial(_grey, metrics.ms_ssim)),
    "cw-ssim": _Entry("CW-SSIM", "higher", partial(_grey, metrics.cw_ssim)),
    "gmsd": _Entry("GMSD", "lower", partial(_grey, metrics.gmsd)),
    "fsim": _Entry("FSIM", "higher", partial(_colour, partial(metrics.fsim, colour=False))),
    "fsimc": _Entry("FSIMc", "higher", partial(_colour, metrics.fsim)),
    "vif": _Entry("VIF", "higher", partial(_grey, metrics.vif), load=parameters.pyramid_filters),
    "vif-pixel": _Entry("VIF (pixel domain)", "higher", partial(_grey, metrics.vif_pixel)),
    "lpips": _lpips("alex", "0.1"),
    "lpips-alex": _lpips("alex", "0.1"),
    "lpips-vgg": _lpips("vgg", "0.1"),
    "lpips-squeeze": _lpips("squeeze", "0.1"),
    "lpips-alex-v0.0": _lpips("alex", "0.0"),
    "lpips-vgg-v0.0": _lpips("vgg", "0.0"),
    "lpips-squeeze-v0.0": _lpips("squeeze", "0.0"),
    "lpips-alex-map": _Entry("LPIPS (alex, map)", "lower", _learned_map, load=parameters.lpips_network),
    "dists": _Entry("DISTS", "lower", _learned, load=parameters.dists_network),
    "niqe": _Entry("NIQE", "lower", partial(_single, metrics.niqe), needs=_NONE, load=_PUBLISHED_NIQE),
    "niqe-official": _Entry("NIQE (grey)", "lower", partial(_single, _niqe_grey), needs=_NONE, load=_PUBLISHED_NIQE),
    "niqe-photos": _Entry(
        "NIQE (finesight's photographs)",
        "lower",
        partial(_single, _niqe_grey),
        needs=_NONE,
        load=partial(parameters.niqe_model, "photos"),
    ),
    "brisque": _Entry(
        "BRISQUE", "lower", partial(_single, metrics.brisque), needs=_NONE, load=parameters.brisque_support, decimals=2
    ),
    "piqe": _Entry("PIQE", "lower", partial(_single, metrics.piqe), needs=_NONE, decimals=2),
    "tof": _Entry("tOF", "lower", _tof, needs=_MOVING),
    "tlpips": _Entry("tLPIPS (alex)", "lower", _tlpips, needs=_MOVING, load=parameters.lpips_network),
    "l1-hole": _Entry("L1 in the hole", "lower", _l1_hole, needs=_MASKED),
    "sad": _Entry("SAD", "lower", _sad, needs=_MASKED, decimals=2),
    "alpha-mse": _Entry("MSE", "lower", partial(_alpha, alpha.alpha_mse), needs=_MASKED),
    "grad": _Entry("GRAD", "lower", partial(_alpha, alpha.gradient_error), needs=_MASKED, decimals=2),
    "conn": _Entry("CONN", "lower", partial(_alpha, alpha.connectivity_error), needs=_MASKED, decimals=2),
}

METRICS: Mapping[str, str] = MappingProxyType({name: entry.title for name, entry in _ENTRIES.items()})
"""Every metric of pictures and of frames after each other (tOF, tLPIPS): name -> title."""


def describe_metric(name: str) -> str:
    """What a metric of ``METRICS`` is called, which direction is better and what it needs, in one line."""
    entry = _ENTRIES[name]
    words = {"reference": "a reference", "mask": "a mask", "clip": "clips or folders of frames"}
    needs = " and ".join(words[need] for need in sorted(entry.needs, reverse=True)) or "nothing else"
    learned = "; published parameters" if entry.load is not None and name != "niqe-photos" else ""
    return f"{entry.title}: {entry.better} is better; needs {needs}{learned}"


def load_metric(name: str, *, device: str | torch.device = "cpu", offline: bool | None = None) -> Metric:
    """A metric with its network or parameters.

    Args:
        name: of ``METRICS``.
        device: where a network is put.
        offline: never fetch parameters.

    Raises:
        SettingError: no such metric; the nearest names are given.
        ModelError: parameters lack and cannot be fetched; says what to get and where to put it.
    """
    if name not in _ENTRIES:
        hint = nearest(name, _ENTRIES) or f"There are {', '.join(_ENTRIES)}."
        raise SettingError(f"'{name}' is not a metric. {hint}")
    entry = _ENTRIES[name]
    if entry.load is None:
        measure: Measure = entry.measure
    else:
        given = entry.load(offline=offline)
        if isinstance(given, nn.Module):
            given = given.to(device)
        measure = _with(entry.measure, given)
    return Metric(name, entry.title, entry.better, entry.needs, entry.decimals, measure)


def _with(measure: Callable[..., Tensor], given: object) -> Measure:
    def measured(restored: Tensor, reference: Tensor, view: View) -> Tensor:
        return measure(restored, reference, view, given)

    return measured


def load_metrics(
    names: list[str] | tuple[str, ...], *, device: str | torch.device = "cpu", offline: bool | None = None
) -> tuple[Metric, ...]:
    """Several metrics in the order asked for, each once."""
    return tuple(load_metric(name, device=device, offline=offline) for name in dict.fromkeys(names))
