"""LIIF: "Learning Continuous Image Representation with Local Implicit Image Function" (Chen et al., CVPR 2021).

arXiv 2012.09161, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.image.edsr import DIV2K_MEAN, EdsrFeatures
from finesight.models.image.rdn import RdnFeatures
from finesight.nn.coordinates import axis_centres, cell_of, pixel_centres
from finesight.nn.traits import Port, Traits

__all__ = ["Liif", "LiifEdsr", "LiifRdn"]

QUERIES = 2048
"""Queries answered at once unless said otherwise: the hidden numbers of so many stay in a CPU's cache."""

NUDGE = 1e-6
"""Added to every shifted coordinate, so that a query in the middle between two pixels falls to the larger one on both
sides of the shift. Without it queries on a pixel's centre are answered from the wrong pair."""

_ENCODER = (r"^(?!encoder\.|imnet\.)", "encoder.")
_AUTHORS = (
    (r"^encoder\.head\.0\.", "encoder.conv_first."),
    (r"^encoder\.body\.\d+\.(weight|bias)$", r"encoder.conv_after_body.\1"),
    (r"^encoder\.body\.(\d+)\.body\.0\.", r"encoder.body.\1.conv1."),
    (r"^encoder\.body\.(\d+)\.body\.2\.", r"encoder.body.\1.conv2."),
    (r"^encoder\.SFENet(\d)\.", r"encoder.sfe\1."),
    (r"^encoder\.RDBs\.(\d+)\.convs\.(\d+)\.conv\.0\.", r"encoder.rdbs.\1.layers.\2.conv."),
    (r"^encoder\.RDBs\.(\d+)\.LFF\.", r"encoder.rdbs.\1.lff."),
    (r"^encoder\.GFF\.", "encoder.gff."),
)


class Perceptron(nn.Module):
    """Linear layers with ReLU between.

    Args:
        inputs: numbers in.
        hidden: sizes of the hidden layers.
        outputs: numbers out.
    """

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(inputs, width), nn.ReLU(inplace=True)]
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, outputs))

    @property
    def first(self) -> nn.Linear:
        """The first layer."""
        layer = self.layers[0]
        assert isinstance(layer, nn.Linear)
        return layer

    def forward(self, numbers: Tensor) -> Tensor:
        """``(..., inputs)`` to ``(..., outputs)``."""
        answer: Tensor = self.layers(numbers)
        return answer


class Liif(nn.Module):
    """A feature map from an encoder, and a small perceptron that answers the colour at any position of it.

    ``encode`` once, then ``query`` any positions in any portions; ``forward`` does both for a whole grid. Pictures are
    RGB in [0, 1], ``(N, 3, H, W)``, any size; answers are not clamped.

    The perceptron's first layer is linear in the 3x3 neighbourhood of features, so it is one convolution over the
    feature map plus a small part for the four numbers of position and cell: its rows are looked up, not recomputed, for
    the four neighbours of every query.

    Where an odd scale puts a query on the centre of a pixel of the last row or column, both its neighbours on that axis
    are that pixel, at distance nought: the published weights, kept here, are then rounding noise.

    Args:
        encoder: from the normalised picture to features of the same size.
        hidden: sizes of the perceptron's hidden layers.
        local_ensemble: blend the answers of the four nearest feature pixels by area.
        unfold: give the perceptron the 3x3 neighbourhood, not the feature pixel alone.
        cell_decode: tell the perceptron the size of the pixel asked for.
        outputs: channels of the answer.
        mean, std: per channel; the network works in ``(image - mean) / std``.
    """

    renames = ((_ENCODER,), _AUTHORS)

    def __init__(
        self,
        encoder: EdsrFeatures | RdnFeatures,
        *,
        hidden: tuple[int, ...] = (256, 256, 256, 256),
        local_ensemble: bool = True,
        unfold: bool = True,
        cell_decode: bool = True,
        outputs: int = 3,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        super().__init__()
        if not hidden:
            raise SettingError("LIIF's perceptron needs at least one hidden layer.")
        self.encoder = encoder
        self.local_ensemble = local_ensemble
        self.unfold = unfold
        self.cell_decode = cell_decode
        self.looked_up = encoder.width * (9 if unfold else 1)  # of the first layer's inputs
        self.imnet = Perceptron(self.looked_up + 2 + 2 * cell_decode, hidden, outputs)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        self.traits = Traits(
            task="super-resolution",
            kind="query",
            scale=None,
            halo=encoder.reach + local_ensemble + unfold,
            outputs=(Port("image", channels=outputs),),
        )

    @property
    def answering(self) -> tuple[nn.Module, ...]:
        """The layers with parameters that every query goes through after what it looked up, in their order."""
        return tuple(layer for layer in list(self.imnet.layers)[1:] if isinstance(layer, nn.Linear))

    def encode(self, image: Tensor) -> Tensor:
        """A picture ``(N, 3, H, W)`` to features ``(N, width, H, W)``."""
        features: Tensor = self.encoder((image - self.mean) / self.std)
        return features

    def query(self, features: Tensor, coordinates: Tensor, cell: Tensor, *, chunk: int = QUERIES) -> Tensor:
        """The colours at some positions.

        Args:
            features: from ``encode``, ``(N, width, H, W)``.
            coordinates: ``(N, Q, 2)``, ``[y, x]`` in [-1, 1] over the features (see ``pixel_centres``). float32 is
                enough below some thousand pixels a side; float64 is honoured.
            cell: size of the pixel asked for in the same units, ``(N, Q, 2)`` or ``(N, 1, 2)``.
            chunk: queries answered at once. Bounds the memory; does not change the answer.

        Returns:
            ``(N, Q, outputs)``, in the picture's own range, not clamped.
        """
        return self.answer(self.look_up(features), coordinates, cell, chunk=chunk)

    def look_up(self, features: Tensor) -> Tensor:
        """The share of every feature pixel in the first layer, ``(N, H, W, hidden)``: once for many queries."""
        first = self.imnet.first
        weight = first.weight[:, : self.looked_up]
        side = 3 if self.unfold else 1
        kernel = weight.reshape(weight.shape[0], features.shape[1], side, side)
        return F.conv2d(features, kernel, first.bias, padding=side // 2).permute(0, 2, 3, 1).contiguous()

    def answer(
        self,
        looked_up: Tensor,
        coordinates: Tensor,
        cell: Tensor,
        *,
        chunk: int = QUERIES,
        corner: tuple[int, int] = (0, 0),
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """``query`` from what ``look_up`` gave, also for a part of a picture.

        Args:
            looked_up: ``(N, H, W, hidden)``, of the picture, or of a part that holds the neighbours of all queries.
            coordinates, cell, chunk: as of ``query``; positions and sizes in the whole picture.
            corner: row and column in the whole picture at which the part begins.
            size: height and width of the whole picture; default: ``looked_up`` is all of it.
        """
        batch, count, _ = coordinates.shape
        size = size or (looked_up.shape[1], looked_up.shape[2])
        cell = cell.expand(batch, count, 2)
        portions = [
            self._answer(looked_up, corner, size, positions, cells)
            for positions, cells in zip(coordinates.split(chunk, dim=1), cell.split(chunk, dim=1), strict=True)
        ]
        return torch.cat(portions, dim=1) * self.std.view(-1) + self.mean.view(-1)

    def forward(
        self, image: Tensor, *, scale: float = 4.0, size: tuple[int, int] | None = None, chunk: int = QUERIES
    ) -> Tensor:
        """Enlarge a whole picture to ``size`` ``(H', W')``, or by ``scale`` (rounded half to even)."""
        height, width = size or (round(image.shape[-2] * scale), round(image.shape[-1] * scale))
        if height < 1 or width < 1:
            raise SettingError(f"LIIF was asked for a picture of {width} x {height} pixels; ask for at least 1 x 1.")
        exact = torch.promote_types(image.dtype, torch.float32)  # half precision cannot tell pixels apart
        coordinates = pixel_centres((height, width), dtype=exact, device=image.device).expand(image.shape[0], -1, -1)
        cell = cell_of((height, width), dtype=exact, device=image.device).expand(image.shape[0], 1, 2)
        colours = self.query(self.encode(image), coordinates, cell, chunk=chunk)
        return colours.mT.reshape(image.shape[0], -1, height, width)

    def _answer(
        self, looked_up: Tensor, corner: tuple[int, int], size: tuple[int, int], coordinates: Tensor, cell: Tensor
    ) -> Tensor:
        """Answer one portion of queries in normalised units, ``(N, Q, outputs)``."""
        index, relative = self._neighbours(size, coordinates)  # (N, 4, Q, 2) both
        numbers = relative
        if self.cell_decode:
            scaled = cell * cell.new_tensor(size)
            numbers = torch.cat((relative, scaled[:, None].expand_as(relative)), dim=-1)
        small = self.imnet.first.weight[:, self.looked_up :]
        hidden = looked_up.flatten(0, 2).index_select(0, _places(index, corner, looked_up.shape))
        hidden = torch.addmm(hidden, numbers.flatten(0, 2).to(hidden.dtype), small.t())
        predictions: Tensor = self.imnet.layers[1:](hidden).unflatten(0, index.shape[:3])  # (N, 4, Q, outputs)
        if not self.local_ensemble:
            return predictions[:, 0].to(coordinates.dtype)
        area = relative.prod(dim=-1).abs() + 1e-9
        share = area.flip(1) / area.sum(dim=1, keepdim=True)  # each corner counts by the area opposite to it
        return (predictions * share[..., None]).sum(dim=1)

    def _neighbours(self, size: tuple[int, int], coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and columns that each query looks up, and its place from their centres in pixels, ``(N, 4, Q, 2)``."""
        pixels = coordinates.new_tensor(size)
        shifted = coordinates[:, None]
        if self.local_ensemble:
            corners = [[y / size[0] + NUDGE, x / size[1] + NUDGE] for y in (-1, 1) for x in (-1, 1)]
            shifted = (shifted + coordinates.new_tensor(corners)[:, None]).clamp(-1 + NUDGE, 1 - NUDGE)
        nearest = (((shifted + 1) * pixels - 1) / 2).round().clamp(min=0).minimum(pixels - 1).long()
        axes = (axis_centres(length, dtype=coordinates.dtype, device=coordinates.device) for length in size)
        centres = torch.stack([axis[at] for axis, at in zip(axes, nearest.unbind(dim=-1), strict=True)], dim=-1)
        return nearest, (coordinates[:, None] - centres) * pixels


def _places(index: Tensor, corner: tuple[int, int], shape: Sequence[int]) -> Tensor:
    """Rows and columns ``(N, 4, Q, 2)`` as places in ``(N * H * W)``, of the part that begins at ``corner``."""
    row, column = (index - index.new_tensor(corner)).unbind(dim=-1)
    picture = torch.arange(shape[0], device=index.device)[:, None, None]
    return ((picture * shape[1] + row) * shape[2] + column).flatten()


class LiifEdsr(Liif):
    """LIIF with EDSR's features. The defaults are the published network.

    Args:
        width, blocks, residual_scale: of the encoder.
        hidden, local_ensemble, unfold, cell_decode, outputs, mean, std: see ``Liif``. The LIIF authors' own files work
            with mean and std 0.5.
    """

    def __init__(
        self,
        *,
        width: int = 64,
        blocks: int = 16,
        residual_scale: float = 1.0,
        hidden: tuple[int, ...] = (256, 256, 256, 256),
        local_ensemble: bool = True,
        unfold: bool = True,
        cell_decode: bool = True,
        outputs: int = 3,
        mean: tuple[float, ...] = DIV2K_MEAN,
        std: tuple[float, ...] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__(
            EdsrFeatures(width=width, blocks=blocks, residual_scale=residual_scale, inputs=len(mean)),
            hidden=hidden,
            local_ensemble=local_ensemble,
            unfold=unfold,
            cell_decode=cell_decode,
            outputs=outputs,
            mean=mean,
            std=std,
        )


class LiifRdn(Liif):
    """LIIF with RDN's features. The defaults are the published network.

    Args:
        width, blocks, layers, growth: of the encoder.
        hidden, local_ensemble, unfold, cell_decode, outputs, mean, std: see ``Liif``.
    """

    def __init__(
        self,
        *,
        width: int = 64,
        blocks: int = 16,
        layers: int = 8,
        growth: int = 64,
        hidden: tuple[int, ...] = (256, 256, 256, 256),
        local_ensemble: bool = True,
        unfold: bool = True,
        cell_decode: bool = True,
        outputs: int = 3,
        mean: tuple[float, ...] = (0.5, 0.5, 0.5),
        std: tuple[float, ...] = (0.5, 0.5, 0.5),
    ) -> None:
        super().__init__(
            RdnFeatures(width=width, blocks=blocks, layers=layers, growth=growth, inputs=len(mean)),
            hidden=hidden,
            local_ensemble=local_ensemble,
            unfold=unfold,
            cell_decode=cell_decode,
            outputs=outputs,
            mean=mean,
            std=std,
        )
