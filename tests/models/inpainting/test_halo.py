"""How far the inpainting networks and their discriminators look, measured by gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from finesight.models.inpainting.aot_gan import AotGanDiscriminator
from finesight.models.inpainting.deepfillv2 import DeepFillV2Discriminator
from finesight.models.inpainting.global_local import GlobalLocal
from finesight.models.inpainting.pconv import PConv
from finesight.nn.traits import Port
from tests.halo import measured_halo


class HalfMasked(nn.Module):
    """A network under a mask of 0.5 everywhere, so that every pixel is both seen and painted."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.traits = replace(network.traits, inputs=(Port("image"),))  # type: ignore[type-var]

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.network(image, torch.full_like(image[:, :1], 0.5))
        return found


def positive(network: nn.Module) -> nn.Module:
    """No activation shut, no clamp reached, no sum that cancels."""
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            tensor.uniform_(0.5, 1).div_(tensor[0].numel())
        elif name.endswith("bias"):
            tensor.fill_(0.1)
    return network.eval()


@pytest.mark.parametrize(("levels", "width"), [(1, 2), (2, 2), (3, 1)])
def test_halo_of_pconv(levels: int, width: int) -> None:
    network = HalfMasked(positive(PConv(levels=levels, width=width)))
    assert measured_halo(network) == network.traits.halo


def test_halo_of_global_local() -> None:
    class Unclamped(GlobalLocal):
        def complete(self, masked: Tensor, mask: Tensor) -> tuple[Tensor]:
            features = self.dilation_neck(self.encoder(torch.cat((masked, mask), dim=1)))
            return (self.decoder(features),)

    network = HalfMasked(positive(Unclamped(width=2)))
    assert measured_halo(network) == network.traits.halo
    assert GlobalLocal(width=2).traits.halo == network.traits.halo


@pytest.mark.parametrize(
    ("network", "cell", "lost"),
    [(DeepFillV2Discriminator(widths=(2, 2, 2)), 8, 0), (AotGanDiscriminator(width=1), 8, 2)],
    ids=["deepfillv2", "aot-gan"],
)
def test_halo_of_patch_discriminators(network: nn.Module, cell: int, lost: int) -> None:
    network = positive(network).double()
    side = 16 * cell
    picture = torch.rand(1, 3, side, side, dtype=torch.float64).requires_grad_()
    others = (torch.zeros_like(picture[:, :1]),) * (len(network.traits.inputs) - 1)  # type: ignore[union-attr]
    scores = network(picture, *others)
    assert scores.shape[-2:] == (side // cell - lost,) * 2
    (slope,) = torch.autograd.grad(scores[0, 0, 7, 7], picture)
    rows = slope[0].abs().sum((0, 2)).nonzero().flatten().tolist()
    first, last = 7 * cell, 8 * cell - 1
    assert max(last - rows[0], rows[-1] - first) == network.traits.halo  # type: ignore[union-attr]
