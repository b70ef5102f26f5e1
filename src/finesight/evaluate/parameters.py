"""The published parameters that some metrics need, from the cache; what lacks is named with the way to get it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from finesight.errors import ModelError
from finesight.metrics.brisque import SupportVectors
from finesight.metrics.niqe import NiqeModel
from finesight.metrics.vif import PyramidFilters
from finesight.models.quality.dists import Dists
from finesight.models.quality.inception import InceptionV3
from finesight.models.quality.lpips import Lpips
from finesight.zoo.checkpoint import read
from finesight.zoo.files import get
from finesight.zoo.tensors import load_tensors

__all__ = ["brisque_support", "dists_network", "inception_network", "lpips_network", "niqe_model", "pyramid_filters"]

TRUNKS = {"alex": "alexnet-imagenet", "vgg": "vgg16-imagenet", "squeeze": "squeezenet-imagenet"}
OWN_NIQE = Path(__file__).parent / "niqe_photos.safetensors"


def _tensors(name: str, offline: bool | None) -> dict[str, Tensor]:
    return read(get(name, offline=offline)).tensors


def _ready(network: nn.Module) -> nn.Module:
    return network.eval().requires_grad_(False)


def lpips_network(
    trunk: Literal["alex", "vgg", "squeeze"] = "alex",
    version: Literal["0.0", "0.1"] = "0.1",
    *,
    offline: bool | None = None,
) -> nn.Module:
    """LPIPS with its published heads on the classifier trained on ImageNet.

    Raises:
        ModelError: a file is not in the cache and cannot be fetched; says which, and where to put it.
    """
    heads = f"lpips-{trunk}-heads" + ("-v00" if version == "0.0" else "")
    network = Lpips(trunk, version=version)
    tensors = _tensors(TRUNKS[trunk], offline) | _tensors(heads, offline)
    load_tensors(network, tensors, source=f"{TRUNKS[trunk]} with {heads}")
    return _ready(network)


def dists_network(*, offline: bool | None = None) -> nn.Module:
    """DISTS with its published weights on VGG-16 trained on ImageNet.

    Raises:
        ModelError: as ``lpips_network``.
    """
    network = Dists()
    tensors = _tensors(TRUNKS["vgg"], offline) | _tensors("dists-weights", offline)
    load_tensors(network, tensors, source="vgg16-imagenet with dists-weights")
    return _ready(network)


def inception_network(*, offline: bool | None = None) -> nn.Module:
    """The Inception of FID and KID.

    Raises:
        ModelError: as ``lpips_network``.
    """
    network = InceptionV3()
    load_tensors(network, _tensors("fid-inception", offline), source="fid-inception")
    return _ready(network)


def niqe_model(which: Literal["published", "photos"] = "published", *, offline: bool | None = None) -> NiqeModel:
    """NIQE's pristine model: the published one, or one fitted to freely licensed photographs, which ships.

    Raises:
        ModelError: as ``lpips_network``.
    """
    if which == "photos":
        tensors = read(OWN_NIQE).tensors
        return NiqeModel(tensors["mean"].double(), tensors["covariance"].double(), "finesight's photographs")
    tensors = _tensors("niqe-pristine", offline)
    try:
        mean, covariance = tensors["mu_pris_param"].flatten(), tensors["cov_pris_param"]
        return NiqeModel(mean, covariance, "published", tensors["gaussian_window"])
    except KeyError as error:
        raise ModelError(f"{get('niqe-pristine', offline=offline)} is not NIQE's model: it has no {error}") from error


def pyramid_filters(*, offline: bool | None = None) -> PyramidFilters:
    """The filters of VIF's steerable pyramid.

    Raises:
        ModelError: as ``lpips_network``.
    """
    return _tensors("vif-filters", offline)


def brisque_support(*, offline: bool | None = None) -> SupportVectors:
    """BRISQUE's published regression.

    Raises:
        ModelError: as ``lpips_network``, or the file does not hold two arrays that fit.
    """
    file = get("brisque-svm", offline=offline)
    content = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(content, list | tuple) or len(content) != 2:
        raise ModelError(f"{file} is not BRISQUE's regression: it should hold coefficients and support vectors")
    coefficients, vectors = (torch.as_tensor(part, dtype=torch.float64) for part in content)
    return SupportVectors(coefficients.flatten(), vectors.T if vectors.shape[0] == 36 else vectors)
