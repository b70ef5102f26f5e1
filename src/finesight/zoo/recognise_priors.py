"""Recognising networks with priors and references, discriminators and feature stacks; see ``recognise``."""

from __future__ import annotations

import re
from collections.abc import Set

from finesight.zoo.shapes import Arguments, Shapes, count, has, root


def modified_vgg(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The discriminator of SRGAN and ESRGAN; six stages are for 256 pixels."""
    if not has(shapes, "conv0_0.weight", "conv4_1.weight", "linear2.weight"):
        return None
    width, inputs = shapes["conv0_0.weight"][:2]
    return {"inputs": inputs, "width": width, "side": 256 if "conv5_0.weight" in shapes else 128}


def unet_discriminator(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The discriminator of Real-ESRGAN; its skips have no tensors."""
    if not has(shapes, "conv_0.weight", "conv_9.weight", "conv_1.weight_orig"):
        return None
    width, inputs = shapes["conv_0.weight"][:2]
    return {"inputs": inputs, "width": width}


def stylegan2(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """One picture size for each pair of convolutions after 4x4."""
    if not has(shapes, "constant_input.input", "conv1.conv.weight_orig", "style_mapping.1.linear.weight_orig"):
        return None
    wide = shapes.get("convs.6.conv.weight_orig", (1, 512))[1]  # at 64 pixels: 256 times the multiplier
    return {
        "size": 4 * 2 ** count(shapes, "to_rgbs.", ".bias"),
        "style_channels": shapes["style_mapping.1.linear.weight_orig"][1],
        "mapping_layers": sum(n.startswith("style_mapping.") and n.endswith("weight_orig") for n in shapes),
        "channel_multiplier": max(1, wide // 256),
        "most_channels": shapes["constant_input.input"][1],
    }


def stylegan2_discriminator(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """One halving of the picture for each residual block down to 4x4."""
    if not has(
        shapes, "convs.0.0.conv.weight_orig", "final_conv.0.conv.weight_orig", "final_linear.1.linear.weight_orig"
    ):
        return None
    blocks = sum(name.endswith(".skip.1.conv.weight_orig") for name in shapes)
    outputs, inputs = shapes["final_conv.0.conv.weight_orig"][:2]
    first, size = shapes["convs.0.0.conv.weight_orig"][0], 4 * 2**blocks
    return {
        "size": size,
        "channel_multiplier": max(1, first * size // 16384) if size > 32 else 2,
        "channel_groups": inputs - outputs,
        "most_channels": outputs,
    }


def vgg(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The complete stack of VGG-16 or VGG-19."""
    last = {16: "features.28.weight", 19: "features.34.weight"}
    depth = 19 if "features.16.weight" in shapes else 16
    return {"depth": depth} if has(shapes, "features.0.weight", last[depth]) else None


def ttsr(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The trunk and the texture extractor side by side."""
    first = "generator.sfe.conv_first.weight"
    if not has(shapes, first, "extractor.slice3.10.weight", "generator.conv_first1.weight"):
        return None
    width, inputs = shapes[first][:2]
    lists = ("generator.sfe.body.", "generator.res_block1.", "generator.res_block2_1.", "generator.res_block3_1.")
    return {
        "inputs": inputs,
        "width": width,
        "texture": (shapes["generator.conv_first1.weight"][1] - width) // 4,
        "blocks": tuple(count(shapes, name, ".conv1.weight") for name in lists),
    }


def ttsr_discriminator(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Five halvings, then a linear layer over what is left of the picture."""
    if not has(shapes, "body.0.weight", "body.18.weight", "last.0.weight", "last.2.weight"):
        return None
    width, inputs = shapes["body.0.weight"][:2]
    hidden, values = shapes["last.0.weight"]
    side = 32 * root(values // shapes["body.18.weight"][0])
    return {"size": side, "inputs": inputs, "width": width, "hidden": hidden}


def glean(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """One fusion for each resolution up to the input's, one stage of the decoder for each above it."""
    trunk = "encoder.0.0.conv_first.weight"
    if not has(shapes, trunk, "fusion_out.0.weight", "generator.constant_input.input"):
        return None
    bank = {name.removeprefix("generator."): shape for name, shape in shapes.items() if name.startswith("generator.")}
    prior = stylegan2(bank, frozenset())
    if prior is None:
        return None
    width, channels = shapes[trunk][:2]
    in_size = 2 * 2 ** count(shapes, "fusion_out.")
    return {
        **{name: value for name, value in prior.items() if name != "size"},
        "in_size": in_size,
        "out_size": in_size * 2 ** (count(shapes, "decoder.") - 1),
        "channels": channels,
        "width": width,
        "blocks": count(shapes, "encoder.0.0.body.", ".rdb1.conv1.weight"),
        "growth": shapes["encoder.0.0.body.0.rdb1.conv1.weight"][0],
    }


def pggan(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """One output layer for each resolution from 4x4 on."""
    if not has(shapes, "lod", "layer0.conv.weight", "output0.conv.weight"):
        return None
    layers = len([name for name in shapes if re.fullmatch(r"output\d+\.conv\.weight", name)])
    return {"size": 2 * 2**layers, "latent": shapes["layer0.conv.weight"][1]}


def light_cnn(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The discriminator; its linear layer tells the size of the picture."""
    if not has(shapes, "features.0.filter.weight", "classifier.0.filter.weight"):
        return None
    found = light_cnn_features(
        {name: shape for name, shape in shapes.items() if name.startswith("features.")}, _published
    )
    last = max(int(name.split(".")[1]) for name in shapes if name.startswith("features."))
    cells = shapes["classifier.0.filter.weight"][1] // (shapes[f"features.{last}.filter.weight"][0] // 2)
    return None if found is None else {**found, "size": 16 * root(cells)}


def light_cnn_features(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The features alone."""
    if "features.0.filter.weight" not in shapes or any(not name.startswith("features.") for name in shapes):
        return None
    doubled, inputs = shapes["features.0.filter.weight"][:2]
    return {"inputs": inputs, "width": doubled // 2}
