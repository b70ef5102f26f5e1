"""Inpainting networks and their discriminators: sizes read off names and shapes (see ``recognise``)."""

from __future__ import annotations

from collections.abc import Set
from fractions import Fraction

from finesight.zoo.shapes import Arguments, Shapes, count, has, root

__all__ = [
    "aot_gan",
    "aot_gan_discriminator",
    "deepfillv1",
    "deepfillv1_discriminators",
    "deepfillv2",
    "deepfillv2_discriminator",
    "global_local",
    "global_local_discriminators",
    "pconv",
]


def _widths(shapes: Shapes, before: str, after: str) -> tuple[int, ...]:
    """Outputs of the convolutions numbered from 1 between ``before`` and ``after``."""
    found: list[int] = []
    while (shape := shapes.get(f"{before}{len(found) + 1}{after}")) is not None:
        found.append(shape[0])
    return tuple(found)


def _deepfill(shapes: Shapes, after: str) -> Arguments | None:
    gates = after.count("conv")  # a gated convolution has twice its outputs
    names = [f"stage1.encoder.enc1{after}", f"stage2.encoder_attention.enc1{after}", f"stage2.decoder.dec1{after}"]
    if not has(shapes, *names):
        return None
    return {
        "channel_factor": float(Fraction(shapes[names[0]][0] // gates, 32)),
        "decoder_factor": float(Fraction(shapes[names[2]][0] // gates, 128)),
    }


def deepfillv1(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Plain convolutions: one ``conv`` in each name."""
    return _deepfill(shapes, ".conv.weight")


def deepfillv2(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Gated convolutions: ``conv.conv`` in each name."""
    return _deepfill(shapes, ".conv.conv.weight")


def deepfillv2_discriminator(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Spectrally normalised convolutions, as many as there are."""
    widths = _widths(shapes, "conv", ".conv.weight_orig")
    return {"widths": widths} if widths else None


def _judges(shapes: Shapes) -> Arguments | None:
    linear = ("global_disc.fc.linear.weight", "local_disc.fc.linear.weight")
    widths, local = (_widths(shapes, f"{part}_disc.conv", ".conv.weight") for part in ("global", "local"))
    if not widths or not local or not has(shapes, *linear):
        return None
    return {
        "size": root(shapes[linear[0]][1] // widths[-1]) * 2 ** len(widths),
        "local_size": root(shapes[linear[1]][1] // local[-1]) * 2 ** len(local),
        "widths": widths,
        "local_widths": local,
    }


def deepfillv1_discriminators(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Two critics with a score of their own."""
    return None if "fc.weight" in shapes else _judges(shapes)


def global_local_discriminators(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Two sides whose features are judged together."""
    sizes = _judges(shapes)
    if sizes is None or "fc.weight" not in shapes:
        return None
    return {**sizes, "hidden": shapes["global_disc.fc.linear.weight"][0]}


def global_local(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """A transposed convolution tells it from other encoders and decoders."""
    if not has(
        shapes, "encoder.enc1.conv.weight", "decoder.dec7.conv.weight", "dilation_neck.dilation_convs.0.conv.weight"
    ):
        return None
    norm = "batch" if "encoder.enc1.bn.weight" in shapes else None
    return {"width": shapes["encoder.enc1.conv.weight"][0], "norm": norm}


def pconv(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """As many levels as the encoder has."""
    widths = _widths(shapes, "encoder.enc", ".conv.weight")
    if not widths or "decoder.dec1.conv.weight" not in shapes:
        return None
    return {"levels": len(widths), "width": widths[0]}


def aot_gan(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The dilations have no tensors: the published powers of two."""
    first, block = "encoder.encoder.1.conv.weight", "dilation_neck.model.0.blocks."
    if not has(shapes, first, f"{block}0.1.conv.weight", "decoder.decoder.2.conv.weight"):
        return None
    return {
        "width": shapes[first][0],
        "blocks": count(shapes, "dilation_neck.model.", ".gate.1.conv.weight"),
        "rates": tuple(2**rate for rate in range(count(shapes, block, ".1.conv.weight"))),
    }


def aot_gan_discriminator(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Four spectrally normalised convolutions and a plain one."""
    if not has(shapes, "model.0.conv.weight_orig", "model.3.conv.weight_orig", "model.4.weight"):
        return None
    return {"width": shapes["model.0.conv.weight_orig"][0]}
