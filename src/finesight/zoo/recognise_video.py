"""Recognising networks for video; see ``recognise``."""

from __future__ import annotations

import re
from collections.abc import Set

from finesight.zoo.shapes import Arguments, Shapes, count, has


def spynet(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Five convolutions a level. Stand-alone files lack the mean: six levels normalise, TOFlow's four do not."""
    levels = sum(bool(re.fullmatch(r"basic_module\.\d+\.basic_module\.4\.conv\.weight", name)) for name in shapes)
    if not levels or any(not name.startswith("basic_module.") and name not in ("mean", "std") for name in shapes):
        return None
    batch_norm = any(name.endswith("running_mean") for name in shapes)
    return {"levels": levels, "batch_norm": batch_norm, "normalise": "mean" in shapes or levels == 6}


def basicvsr(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Two directions of residual blocks and their fusion."""
    if not has(shapes, "fusion.weight", "backward_resblocks.main.0.weight", "forward_resblocks.main.0.weight"):
        return None
    return {"width": shapes["fusion.weight"][0], "blocks": count(shapes, "forward_resblocks.main.2.", ".conv1.weight")}


def basicvsr_plusplus(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Four branches with deformable alignment; the same-size variant first reduces its frames."""
    first = "backbone.backward_1.main.2."
    if not has(shapes, "deform_align.backward_1.weight", "backbone.backward_1.main.0.weight"):
        return None
    return {
        "width": shapes["deform_align.backward_1.weight"][0],
        "blocks": count(shapes, first, ".conv1.weight"),
        "scale": 4 if "feat_extract.main.0.weight" in shapes else 1,
    }


def _edvr_features(shapes: Shapes) -> Arguments | None:
    """Alignment and fusion; how many frames stands in the fusion, which is one layer without attention."""
    if not has(shapes, "conv_first.weight", "feat_l2_conv1.conv.weight", "pcd_alignment.cas_dcnpack.weight"):
        return None
    width = shapes["conv_first.weight"][0]
    attention = "fusion.feat_fusion.conv.weight" in shapes
    fusion = shapes.get("fusion.feat_fusion.conv.weight" if attention else "fusion.weight", (0, 0))
    return {
        "width": width,
        "frames": fusion[1] // width,
        "deform_groups": shapes["pcd_alignment.cas_dcnpack.conv_offset.weight"][0] // 27,
        "extraction_blocks": count(shapes, "feature_extraction.", ".conv1.weight"),
        "attention": attention,
    }


def edvr_features(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The part of EDVR that IconVSR uses: nothing after the fusion."""
    return None if "conv_hr.weight" in shapes else _edvr_features(shapes)


def edvr(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Features, then residual blocks."""
    found = _edvr_features(shapes)
    if found is None or not has(shapes, "reconstruction.0.conv1.weight", "conv_hr.weight"):
        return None
    return {**found, "blocks": count(shapes, "reconstruction.", ".conv1.weight")}


def iconvsr(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """BasicVSR with EDVR's features of key frames; the stride between them has no tensor."""
    if not has(shapes, "backward_fusion.weight", "edvr.fusion.feat_fusion.conv.weight", "forward_fusion.weight"):
        return None
    width = shapes["backward_fusion.weight"][0]
    frames = shapes["edvr.fusion.feat_fusion.conv.weight"][1] // shapes["edvr.conv_first.weight"][0]
    blocks = count(shapes, "forward_resblocks.main.2.", ".conv1.weight")
    return {"width": width, "blocks": blocks, "padding": (frames - 1) // 2}


def realbasicvsr(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """A cleaning network and BasicVSR; the threshold of the cleaning has no tensor: 5 is the published test's."""
    inner = {name.removeprefix("basicvsr."): shape for name, shape in shapes.items() if name.startswith("basicvsr.")}
    found = basicvsr(inner, frozenset())
    if found is None or not has(shapes, "image_cleaning.0.main.0.weight", "image_cleaning.1.weight"):
        return None
    return {**found, "cleaning_blocks": count(shapes, "image_cleaning.0.main.2.", ".conv1.weight"), "threshold": 5}


def tdan(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Deformable alignment in feature space. The authors' weights expect another rule at the border."""
    if not has(shapes, "feat_extract.0.conv.weight", "align_1.conv_offset.weight", "to_rgb.weight"):
        return None
    return {
        "width": shapes["feat_extract.0.conv.weight"][0],
        "blocks_before": count(shapes, "feat_extract.1.", ".conv1.weight"),
        "blocks_after": count(shapes, "reconstruct.1.", ".conv1.weight"),
    }
