"""The one table of architectures: name -> import path. Plain strings, so listing them imports no network."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from finesight.errors import ModelError, nearest

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NETWORKS", "network_class"]

NETWORKS: dict[str, str] = {
    "collapsible": "finesight.models.image.collapsible:Collapsible",
    "stylegan2": "finesight.models.prior.stylegan2:StyleGan2",
    "stylegan2-discriminator": "finesight.models.prior.stylegan2_discriminator:StyleGan2Discriminator",
    "vgg": "finesight.models.quality.vgg:Vgg",
}


def network_class(architecture: str) -> type[nn.Module]:
    """The class of an architecture by its name in ``NETWORKS``.

    Raises:
        ModelError: the name is not in the table; the nearest names are given.
    """
    if architecture not in NETWORKS:
        raise ModelError(f"'{architecture}' is not a known architecture. {nearest(architecture, NETWORKS)}".strip())
    module, _, name = NETWORKS[architecture].partition(":")
    found: type[nn.Module] = getattr(importlib.import_module(module), name)
    return found
