"""TTSR: x4 super-resolution with textures from a reference picture of similar content.

Yang et al., "Learning Texture Transformer Network for Image Super-Resolution", CVPR 2020, in the form of the published
mmediting checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor, nn

from finesight.errors import InputError
from finesight.models.prior.ttsr_trunk import TextureTrunk
from finesight.models.quality.vgg import IMAGENET_MEAN, IMAGENET_STD
from finesight.nn.patch_search import search_patches, transfer_patches
from finesight.nn.reach import Reach, halo
from finesight.nn.resample import bicubic, bicubic_8bit, scaled_size
from finesight.nn.traits import Port, Traits

__all__ = ["TextureExtractor", "Ttsr", "aligned_inputs", "search_textures"]


class TextureExtractor(nn.Module):
    """VGG-19 up to its fifth convolution, at three resolutions; starts from ImageNet weights in training.

    ``forward`` takes (N, 3, H, W) in [0, 1] and gives (N, 256, H/4, W/4), (N, 128, H/2, W/2), (N, 64, H, W).
    """

    def __init__(self) -> None:
        super().__init__()
        mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        self.img_normalize = nn.Conv2d(3, 3, 1).requires_grad_(False)
        self.img_normalize.weight.data = torch.diag(1 / std)[:, :, None, None]
        self.img_normalize.bias.data = -mean / std  # type: ignore[union-attr]  # made with a bias two lines above
        self.slice1 = _vgg_slice(0, (3, 64))
        self.slice2 = _vgg_slice(2, (64, 64), (64, 128))
        self.slice3 = _vgg_slice(7, (128, 128), (128, 256))

    def forward(self, image: Tensor) -> list[Tensor]:
        level1 = self.slice1(self.img_normalize(image))
        level2 = self.slice2(level1)
        return [self.slice3(level2), level2, level1]


def _vgg_slice(first: int, *convolutions: tuple[int, int]) -> nn.Sequential:
    """Convolutions with ReLU, a pooling between them, under VGG's indices from ``first`` on."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for place, (inputs, outputs) in enumerate(convolutions):
        if place:
            layers[str(first + 3 * place - 1)] = nn.MaxPool2d(2)
        layers[str(first + 3 * place)] = nn.Conv2d(inputs, outputs, 3, padding=1)
        layers[str(first + 3 * place + 1)] = nn.ReLU()
    return nn.Sequential(layers)


def search_textures(
    enlarged: Tensor, blurred: Tensor, textures: Sequence[Tensor], *, chunk: int = 2**22
) -> tuple[Tensor, list[Tensor]]:
    """Textures of the reference where its blurred form looks like the picture (eq. 1 to 5).

    Args:
        enlarged: level 3 of the enlarged picture, (N, C, h, w).
        blurred: level 3 of the reference after shrinking and enlarging, (N, C, h', w').
        textures: levels 3, 2, 1 of the reference itself.
        chunk: pairs of positions compared at once, see ``search_patches``.

    Returns:
        Soft attention (N, 1, h, w), and textures (N, C_i, h * 2^i, w * 2^i) for i = 0, 1, 2.
    """
    size, grid = _sides(enlarged), _sides(blurred)
    attention, index = search_patches(enlarged, blurred, chunk=chunk)
    return attention, [transfer_patches(v, index, size, grid, 2**level) for level, v in enumerate(textures)]


def _sides(features: Tensor) -> tuple[int, int]:
    return features.shape[2], features.shape[3]


class Ttsr(nn.Module):
    """Four times as large with textures of a reference; any size of both, RGB in [0, 1].

    ``forward(image, reference)``: (N, 3, h, w) and (N or 1, 3, H, W) to (N, 3, 4h, 4w) in [0, 1]. Up to three rows and
    columns of the reference beyond a multiple of 4 are not used.

    The published pipeline rounds the enlarged picture and the blurred reference to 8 bits, which ``forward`` does not;
    ``aligned_inputs`` with ``restore`` repeats it exactly.

    Args:
        width, texture, blocks, residual: of the trunk, see ``TextureTrunk``.
        inputs, outputs: channels of its pictures; the extractor takes three.
        chunk: pairs of positions that the search compares at once; bounds memory, does not change the result.

    Raises:
        InputError: a reference that is too small, or does not fit to the pictures in number or channels.
    """

    ignored = (r"^step_counter$", r"^(discriminator|perceptual_loss|transferal_perceptual_loss)\.")

    def __init__(
        self,
        *,
        inputs: int = 3,
        outputs: int = 3,
        width: int = 64,
        texture: int = 64,
        blocks: tuple[int, int, int, int] = (16, 16, 8, 4),
        residual: float = 1.0,
        chunk: int = 2**22,
    ) -> None:
        super().__init__()
        self.generator = TextureTrunk(
            inputs=inputs, outputs=outputs, width=width, texture=texture, blocks=blocks, residual=residual
        )
        self.extractor = TextureExtractor()
        self.chunk = chunk
        self.traits = Traits(
            task="super-resolution",
            scale=4,
            halo=halo(self._reach, scale=4),
            inputs=(Port("image", channels=inputs), Port("reference", "whole")),
            outputs=(Port("image", ratio=Fraction(4), channels=outputs),),
        )

    @property
    def inner(self) -> nn.Module:
        """The part that bears a lower precision: the search does not, near-ties would fall to other patches."""
        return self.generator

    def _reach(self, wanted: Reach) -> Reach:
        picture, positions = self.generator.reach(wanted)
        level3 = positions.conv(times=2)  # overlapping patches are added, and each is found by its 3x3 features
        enlarged = level3.conv().unshuffle(2).conv(times=2).unshuffle(2).conv(times=2)
        return picture | enlarged.bicubic(4)

    def restore(self, image: Tensor, enlarged: Tensor, reference: Tensor, blurred: Tensor) -> tuple[Tensor, Tensor]:
        """The network on prepared inputs.

        Args:
            image: (N, C, h, w) in [0, 1].
            enlarged: the image four times as large, (N, 3, 4h, 4w) in [0, 1].
            reference, blurred: the reference, and the same after shrinking and enlarging by 4, (N or 1, 3, H, W) in
                [0, 1] with sides that are multiples of 4.

        Returns:
            The picture (N, C, 4h, 4w) in [0, 1], and the soft attention (N, 1, h, w).
        """
        return self._restore(image, enlarged, [self.extractor(blurred)[0], *self.extractor(reference)])

    def remember(self, reference: Tensor) -> list[Tensor]:
        """Everything that is needed of a reference, computed once for many pictures or tiles.

        Args:
            reference: (N or 1, 3, H, W) in [0, 1], sides of at least 4 pixels.

        Returns:
            What is searched, (N, 256, H/4, W/4), and the textures of levels 3, 2, 1: for ``recall``.

        Raises:
            InputError: not such a picture.
        """
        if reference.dim() != 4 or reference.shape[1] != 3 or min(reference.shape[2:]) < 4:
            raise InputError(
                "TTSR takes RGB references with sides of at least 4 pixels, one for all pictures or one for each; got "
                f"{tuple(reference.shape)}."
            )
        reference = reference[..., : reference.shape[2] // 4 * 4, : reference.shape[3] // 4 * 4]
        size = (reference.shape[2], reference.shape[3])
        blurred = bicubic(bicubic(reference, (size[0] // 4, size[1] // 4)), size)
        return [self.extractor(blurred)[0], *self.extractor(reference)]

    def recall(self, image: Tensor, remembered: Sequence[Tensor]) -> Tensor:
        """``forward`` with a reference that was remembered: (N, 3, h, w) to (N, 3, 4h, 4w)."""
        return self._restore(image, bicubic(image, (image.shape[2] * 4, image.shape[3] * 4)), remembered)[0]

    def _restore(self, image: Tensor, enlarged: Tensor, remembered: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        query = self.extractor(enlarged)[0]
        key, *values = (level.expand(len(image), -1, -1, -1) for level in remembered)
        attention, textures = search_textures(query, key, values, chunk=self.chunk)
        attention, textures = attention.to(image.dtype), [texture.to(image.dtype) for texture in textures]
        return self.generator(image * 2 - 1, attention, textures) / 2 + 0.5, attention

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        if len(reference) not in (1, len(image)):
            raise InputError(
                f"TTSR takes one reference for all {len(image)} pictures or one for each, got {len(reference)}."
            )
        return self.recall(image, self.remember(reference))


def aligned_inputs(truth: Tensor, reference: Tensor) -> dict[str, Tensor]:
    """The published evaluation inputs, rounded to 8 bits after every resize as Pillow does.

    The reference is cut, or filled with black at its right and lower side, to the size of the true picture.

    Args:
        truth, reference: 8-bit levels (3, H, W) and (3, H', W'), RGB.

    Returns:
        ``image`` (3, H / 4, W / 4, rounded), and ``enlarged``, ``reference``, ``blurred``, ``truth`` (3, H, W), all
        float32 in [0, 1]: add the batch axis and pass the first four to ``Ttsr.restore``.
    """
    size = (truth.shape[1], truth.shape[2])
    fitted = truth.new_zeros(3, *size)
    cut = reference[:, : size[0], : size[1]]
    fitted[:, : cut.shape[1], : cut.shape[2]] = cut
    small = scaled_size(size, 1 / 4)
    image = bicubic_8bit(truth, small)
    levels = {
        "image": image,
        "enlarged": bicubic_8bit(image, scaled_size(small, 4)),
        "reference": fitted,
        "blurred": bicubic_8bit(bicubic_8bit(fitted, small), scaled_size(small, 4)),
        "truth": truth,
    }
    return {name: level.float() / 255 for name, level in levels.items()}
