"""Networks that finesight does not have: by the ``spandrel`` package, where the extra ``community`` is installed."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from finesight.errors import MissingExtraError, ModelError
from finesight.extras import need
from finesight.nn.traits import Port, Traits

__all__ = ["Community", "community"]


class Community(nn.Module):
    """A network of spandrel behind our contract: RGB in [0, 1] to the same, clamped; no gradients.

    Args:
        descriptor: what spandrel's loader gave, of a network from a picture to a picture.
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.inner: nn.Module = descriptor.model
        self.descriptor = descriptor
        self.architecture = str(descriptor.architecture.name)
        sizes = descriptor.size_requirements
        self.traits = Traits(
            task="restoration" if descriptor.purpose == "Restoration" else "super-resolution",
            scale=int(descriptor.scale),
            halo=None,
            halo_reason="a network of the spandrel package, which does not say how far it looks",
            multiple=int(sizes.multiple_of),
            inputs=(Port("image", channels=int(descriptor.input_channels)),),
            outputs=(Port("image", ratio=Fraction(int(descriptor.scale)), channels=int(descriptor.output_channels)),),
        )

    def forward(self, image: Tensor) -> Tensor:
        return torch.cat([self.descriptor(picture[None]) for picture in image])  # it takes one picture at a time


def community(tensors: Mapping[str, Tensor], path: Path) -> Community | None:
    """What spandrel makes of the tensors of a file; ``None`` if it is not installed or does not know them either.

    Raises:
        ModelError: spandrel is installed and cannot be used, or the network is not from a picture to a picture.
    """
    try:
        spandrel = need("spandrel", extra="community", why="to load networks that finesight does not have")
    except MissingExtraError:
        return None
    except RuntimeError as error:  # its own dependencies do not fit to the installed torch
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path} is no network of finesight, and spandrel cannot be imported: {reason}") from error
    try:
        descriptor = spandrel.ModelLoader().load_from_state_dict(dict(tensors))
    except spandrel.UnsupportedModelError:
        return None
    if not isinstance(descriptor, spandrel.ImageModelDescriptor):
        raise ModelError(f"{path} holds weights of {descriptor.architecture.name}, which takes more than a picture.")
    return Community(descriptor)
