"""How far the matting networks of finite reach look, measured by gradient."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from finesight.models.matting.dim import Dim
from finesight.models.matting.gca import Gca
from finesight.nn.traits import Port
from tests.halo import reach


class AllUnknown(nn.Module):
    """A network under a trimap that is unknown everywhere, before its last activation, which may saturate."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.traits = replace(network.traits, inputs=(Port("image"),))  # type: ignore[type-var]

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.network.raw(image, torch.ones_like(image[:, :1]))  # type: ignore[operator]
        return found


def positive(network: nn.Module) -> nn.Module:
    """No activation shut and no sum that cancels."""
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            tensor.uniform_(0.5, 1).div_(tensor[0].numel())
        elif name.endswith(("weight_u", "weight_v")):
            tensor.fill_(tensor.numel() ** -0.5)
        elif name.endswith("bias"):
            tensor.fill_(0.1)
    return network.eval()


def farthest(network: nn.Module, phases: tuple[int, ...]) -> int:
    """The largest reach over some phases of rows and columns; a picture in which a larger halo would show."""
    multiple, halo = network.traits.multiple, network.traits.halo  # type: ignore[union-attr]
    first = -(-(halo + 2) // multiple) * multiple  # type: ignore[operator]
    size = 2 * first + multiple
    return max(max(reach(network, size, first + phase, first + phase)) for phase in phases)


def test_halo_of_the_baseline() -> None:
    network = AllUnknown(
        positive(Gca(attention=False, width=2, encoder_blocks=(1, 1, 1, 1), decoder_blocks=(1, 1, 1, 1)))
    )
    found = farthest(network, (29,))  # the phase that looks farthest
    assert found == network.traits.halo


def test_halo_of_dim_bounds_what_it_sees() -> None:
    """Maxima choose among the pixels that it could see, so that a gradient rarely reaches the last ones."""
    network = AllUnknown(positive(Dim(widths=(2, 2, 2, 2, 2), refine=False)))
    found = farthest(network, (31,))
    assert network.traits.halo is not None
    assert 0.8 * network.traits.halo < found <= network.traits.halo
