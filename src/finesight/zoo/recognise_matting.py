"""Matting networks: sizes read off names and shapes (see ``recognise``)."""

from __future__ import annotations

from collections.abc import Set

from finesight.zoo.shapes import Arguments, Shapes, count, has

__all__ = ["dim", "fba", "gca", "indexnet", "trimap_unet"]


def dim(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Stages 2 and 3 have a refinement, stage 1 has none."""
    levels = tuple(f"encoder.layer{level}.0.weight" for level in range(1, 6))
    if not has(shapes, *levels, "decoder.deconv6_1.weight", "decoder.deconv1.weight"):
        return None
    refine = shapes.get("refiner.refine_conv1.weight")
    found: Arguments = {"refine": refine is not None, "widths": tuple(shapes[name][0] for name in levels)}
    return found if refine is None else {**found, "refine_width": refine[0]}


def gca(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The baseline lacks the guidance head."""
    first = "encoder.conv1.conv.weight_orig"
    if not has(shapes, first, "encoder.shortcut.0.0.conv.weight_orig", "decoder.conv2.conv.weight"):
        return None
    sides = {
        side: tuple(count(shapes, f"{side}.layer{level}.", ".conv1.conv.weight_orig") for level in (1, 2, 3, 4))
        for side in ("encoder", "decoder")
    }
    return {
        "attention": "encoder.gca.guidance_conv.weight" in shapes,
        "trimap_channels": shapes[first][1] - 3,
        "width": shapes[first][0],
        "encoder_blocks": sides["encoder"],
        "decoder_blocks": sides["decoder"],
    }


def indexnet(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The kind of index stands in the first index layer."""
    one, four = (f"encoder.index_layers.0.{name}.0.conv.weight" for name in ("index_block", "index_blocks.0"))
    first = one if one in shapes else four
    if not has(shapes, first, "encoder.dconv.project.0.conv.weight", "decoder.pred.1.weight"):
        return None
    grouped = shapes[first][1] == 1
    return {
        "index": "holistic" if first == one else "o2o" if grouped else "m2o",
        "context": shapes[first][2] == 4,
        "nonlinear": f"{first.removesuffix('0.conv.weight')}1.conv.weight" in shapes,
    }


def fba(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The sizes that its pooling averages to have no tensors: the published ones are taken, by their number."""
    if not has(shapes, "encoder.conv1.weight", "encoder.gn1.weight", "decoder.conv_up4.4.weight"):
        return None
    return {
        "width": shapes["encoder.conv1.weight"][0],
        "blocks": tuple(count(shapes, f"encoder.layer{level}.", ".conv1.weight") for level in (1, 2, 3, 4)),
    }


def trimap_unet(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Dilations, levels and the first alpha have no tensors: those of the shipped network are taken."""
    firsts = ["enter.0.conv.weight", *(f"down_{size}.0.conv.weight" for size in ("quarter", "eighth", "sixteenth"))]
    if not has(shapes, *firsts, "leave.weight", "correct.weight"):
        return None
    return {"widths": tuple(shapes[name][0] for name in firsts), "detail": shapes["correct.weight"][1]}
