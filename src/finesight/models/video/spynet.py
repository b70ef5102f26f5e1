"""SPyNet: "Optical Flow Estimation using a Spatial Pyramid Network" (Ranjan and Black, CVPR 2017, arXiv 1611.00850)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.nn.flow_warp import WarpPadding, flow_warp
from finesight.nn.traits import Port, Traits

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "SpyNet"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class FlowConvolution(nn.Module):
    """7x7 convolution, batch norm where asked, ReLU unless it is the last."""

    def __init__(self, inputs: int, outputs: int, *, batch_norm: bool, last: bool = False) -> None:
        super().__init__()
        self.last = last
        self.conv = nn.Conv2d(inputs, outputs, 7, padding=3, bias=last or not batch_norm)
        self.bn = nn.BatchNorm2d(outputs) if batch_norm and not last else None

    def forward(self, x: Tensor) -> Tensor:
        """``N inputs H W`` -> ``N outputs H W``."""
        x = self.conv(x)
        if self.bn is not None:
            x = self.bn(x)
        return x if self.last else F.relu_(x)

    def fused(self) -> FlowConvolution:
        """The same in evaluation mode with the batch norm folded into the convolution."""
        answer = FlowConvolution(self.conv.in_channels, self.conv.out_channels, batch_norm=False, last=self.last).to(
            self.conv.weight
        )
        answer.load_state_dict(self.conv.state_dict(prefix="conv."), strict=self.bn is None)
        if self.bn is not None:
            if self.bn.running_var is None or self.bn.running_mean is None or answer.conv.bias is None:
                raise SettingError("A batch norm without running statistics cannot be folded into its convolution.")
            factor = self.bn.weight.detach() * torch.rsqrt(self.bn.running_var + self.bn.eps)
            with torch.no_grad():
                answer.conv.weight.mul_(factor.view(-1, 1, 1, 1))
                answer.conv.bias.copy_(self.bn.bias - self.bn.running_mean * factor)
        return answer.train(self.training)


class FlowLevel(nn.Module):
    """What one level adds to the flow. Input channels: reference 3, warped supporting frame 3, flow 2."""

    def __init__(self, *, batch_norm: bool) -> None:
        super().__init__()
        widths = (8, 32, 64, 32, 16, 2)
        self.basic_module = nn.Sequential(
            *(
                FlowConvolution(widths[i], widths[i + 1], batch_norm=batch_norm, last=i == len(widths) - 2)
                for i in range(len(widths) - 1)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """``N 8 H W`` -> ``N 2 H W`` pixels."""
        answer: Tensor = self.basic_module(x)
        return answer


class SpyNet(nn.Module):
    """Optical flow, coarse to fine. The defaults are the flow network of the BasicVSR family.

    TOFlow for super-resolution: ``levels=4, batch_norm=True, normalise=False, padding="zeros"``; TOFlow for
    interpolation: ``levels=4, normalise=False``. Those receive frames that their caller has normalised.

    Tensor names are the published ones (``basic_module.<level>.basic_module.<i>.conv.weight``); level 0 is coarsest.

    Args:
        levels: of the pyramid; each halves the size.
        batch_norm: after the first four convolutions of each level.
        normalise: subtract ImageNet's mean and divide by its deviation inside (buffers ``mean``, ``std``).
        padding: what the warp inside the pyramid sees beyond the border.
    """

    renames = (
        tuple(  # pytoflow
            (
                rf"^(?:SpyNet\.)?moduleBasic\.(\d+)\.moduleBasic\.{2 * i}\.",
                rf"basic_module.\1.basic_module.{i}.conv.",
            )
            for i in range(5)
        ),
    )

    def __init__(
        self,
        *,
        levels: int = 6,
        batch_norm: bool = False,
        normalise: bool = True,
        padding: WarpPadding = "border",
    ) -> None:
        super().__init__()
        self.padding: WarpPadding = padding
        self.basic_module = nn.ModuleList(FlowLevel(batch_norm=batch_norm) for _ in range(levels))
        self.mean: Tensor | None
        self.std: Tensor | None
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1) if normalise else None)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1) if normalise else None)
        self.traits = Traits(
            task="flow",
            halo=None,
            halo_reason="flow may point anywhere, and the coarsest level sees the whole picture",
            inputs=(Port("reference"), Port("supporting")),
            outputs=(Port("flow", channels=2),),
        )

    def convert(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The published stand-alone weights lack ``mean`` and ``std``, which are ImageNet's."""
        own = {name: tensor for name, tensor in self.named_buffers() if name in ("mean", "std")}
        return {**own, **tensors}

    def forward(self, reference: Tensor, supporting: Tensor) -> Tensor:
        """Where each pixel of ``reference`` lies in ``supporting``: ``reference(p) ~ supporting(p + flow(p))``.

        Args:
            reference, supporting: ``N 3 H W`` RGB in [0, 1] (normalised already with ``normalise=False``), any
                size: they are enlarged inside to multiples of ``2 ** (levels - 1)``.

        Returns:
            ``N 2 H W`` in pixels; channel 0 points right, channel 1 down.
        """
        if reference.shape != supporting.shape:
            raise SettingError(
                f"SPyNet needs two frames of one size, got {tuple(reference.shape)} and {tuple(supporting.shape)}."
            )
        height, width = reference.shape[-2:]
        multiple = 2 ** (len(self.basic_module) - 1)
        size = (height + -height % multiple, width + -width % multiple)
        if size == (height, width):
            return self._pyramid(reference, supporting)
        flow = self._pyramid(
            *(F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in (reference, supporting))
        )
        flow = F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False)
        return flow * flow.new_tensor((width / size[1], height / size[0])).view(1, 2, 1, 1)

    def _pyramid(self, reference: Tensor, supporting: Tensor) -> Tensor:
        if self.mean is not None and self.std is not None:
            reference = (reference - self.mean) / self.std
            supporting = (supporting - self.mean) / self.std
        frames = [(reference, supporting)]
        for _ in range(len(self.basic_module) - 1):
            frames.insert(0, (F.avg_pool2d(frames[0][0], 2), F.avg_pool2d(frames[0][1], 2)))
        coarsest = frames[0][0]
        flow = coarsest.new_zeros(coarsest.shape[0], 2, *coarsest.shape[-2:])
        for level, (one, other) in zip(self.basic_module, frames, strict=True):
            if one is not coarsest:
                flow = 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=True)
            warped = flow_warp(other, flow, padding=self.padding)
            flow = flow + level(torch.cat((one, warped, flow), dim=1))
        return flow
