"""Architecture and sizes of a bare file, read off the names and shapes of its tensors: one small function for each.

A function is given shapes under *our* names (the tables of renames beside each network have been applied) and the names
that stood in the file. It answers the constructor's arguments, or ``None`` where the file cannot be this architecture;
an argument that tensors cannot tell is an ``Ask``. It may guess: the file is then loaded strictly.
"""

from __future__ import annotations

from collections.abc import Set

from finesight.zoo import recognise_inpainting as inpainting
from finesight.zoo import recognise_matting as matting
from finesight.zoo import recognise_priors as priors
from finesight.zoo import recognise_video as video
from finesight.zoo.shapes import Arguments, Ask, Recogniser, Shapes, count, has, root, shuffled

__all__ = ["RECOGNISERS"]


def collapsible(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Our own network: three 5x5 filters for each output phase."""
    if not has(shapes, "head.weight", "tail.weight", "enlarge.weight"):
        return None
    return {
        "width": shapes["head.weight"][0],
        "depth": count(shapes, "body.", ".weight"),
        "expansion": shapes.get("body.0.expand", (0,))[0],
        "scale": root(shapes["tail.weight"][0] // 3),
    }


def srcnn(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Three convolutions; the enlargement before them has no tensors."""
    weights = [f"conv{layer}.weight" for layer in (1, 2, 3)]
    if set(shapes) != {name for w in weights for name in (w, w.replace("weight", "bias"))}:
        return None
    sizes = [shapes[name] for name in weights]
    return {
        "scale": Ask((2, 3, 4)),
        "channels": (sizes[0][1], *(size[0] for size in sizes)),
        "kernels": tuple(size[2] for size in sizes),
    }


def msrresnet(shapes: Shapes, published: Set[str]) -> Arguments | None:
    """mmediting and BasicSR have the same shapes and different functions: the names tell which."""
    if not has(
        shapes, "conv_first.weight", "conv_hr.weight", "upsample1.upsample_conv.weight", "trunk_net.0.conv1.weight"
    ):
        return None
    width, inputs = shapes["conv_first.weight"][:2]
    return {
        "scale": shuffled(shapes, "upsample1.upsample_conv.weight", "upsample2.upsample_conv.weight"),
        "width": width,
        "blocks": count(shapes, "trunk_net.", ".conv1.weight"),
        "inputs": inputs,
        "outputs": shapes["conv_last.weight"][0],
        "activation_after_shuffle": any(name.endswith("upconv1.weight") for name in published),
    }


def edsr(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The residual scale has no tensor: 0.1 in the published large network (256 channels), 1 in all others."""
    if not has(shapes, "conv_first.weight", "conv_after_body.weight", "upsample.0.upsample_conv.weight"):
        return None
    width, channels = shapes["conv_first.weight"][:2]
    stages = count(shapes, "upsample.", ".upsample_conv.weight")
    return {
        "scale": shuffled(shapes, *(f"upsample.{stage}.upsample_conv.weight" for stage in range(stages))),
        "width": width,
        "blocks": count(shapes, "body.", ".conv1.weight"),
        "residual_scale": 0.1 if width >= 256 else 1.0,
        "channels": channels,
    }


def rdn(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Residual dense blocks with their fusions."""
    if not has(shapes, "sfe1.weight", "rdbs.0.layers.0.conv.weight", "upscale.0.weight", "output.weight"):
        return None
    width, inputs = shapes["sfe1.weight"][:2]
    return {
        "scale": shuffled(shapes, "upscale.0.weight", "upscale.2.weight"),
        "width": width,
        "blocks": count(shapes, "rdbs.", ".lff.weight"),
        "layers": count(shapes, "rdbs.0.layers.", ".conv.weight"),
        "growth": shapes["rdbs.0.layers.0.conv.weight"][0],
        "inputs": inputs,
        "outputs": shapes["output.weight"][0],
    }


def rrdbnet(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The scale stands in the input channels: pixel-unshuffled by 2 for x2, by 4 for x1."""
    if not has(shapes, "conv_first.weight", "body.0.rdb1.conv1.weight", "conv_hr.weight", "conv_last.weight"):
        return None
    width, channels = shapes["conv_first.weight"][:2]
    outputs = shapes["conv_last.weight"][0]
    unshuffle = root(channels // outputs) if channels >= outputs else 1
    return {
        "scale": 4 // unshuffle,
        "width": width,
        "blocks": count(shapes, "body.", ".rdb1.conv1.weight"),
        "growth": shapes["body.0.rdb1.conv1.weight"][0],
        "inputs": channels // unshuffle**2,
        "outputs": outputs,
        "upsampler": "nearest" if "conv_up1.weight" in shapes else "pixelshuffle",
    }


def srvgg(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Convolutions and activations in one list; activations without slopes leave gaps in its numbers."""
    layers = [n for n in shapes if n.startswith("body.") and n.endswith(".weight") and len(shapes[n]) == 4]
    if "body.0.weight" not in layers or any(not name.startswith("body.") for name in shapes):
        return None
    width, channels = shapes["body.0.weight"][:2]
    last = max(layers, key=lambda name: int(name.split(".")[1]))
    return {
        "scale": root(shapes[last][0] // channels),
        "width": width,
        "convolutions": len(layers) - 2,
        "activation": "prelu" if len(shapes.get("body.1.weight", ())) == 1 else Ask(("relu", "leakyrelu")),
        "channels": channels,
    }


def a2n(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """x4 has two enlarging stages; x2 and x3 have the same tensors."""
    if not has(shapes, "conv_first.weight", "AAB_trunk.0.ADM.0.weight", "upconv1.weight", "conv_last.weight"):
        return None
    width, inputs = shapes["conv_first.weight"][:2]
    return {
        "scale": 4 if "upconv2.weight" in shapes else Ask((2, 3)),
        "width": width,
        "blocks": count(shapes, "AAB_trunk.", ".conv_first.weight"),
        "upsampler_width": shapes["upconv1.weight"][0],
        "reduction": width // shapes["AAB_trunk.0.ADM.0.weight"][0],
        "plain_kernel": shapes["AAB_trunk.0.non_attention.weight"][-1],
        "inputs": inputs,
        "outputs": shapes["conv_last.weight"][0],
    }


def rcan(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """Groups of blocks with channel attention; without an upsampler the scale is 1."""
    attention = "body.0.residual_group.0.rcab.3.attention.1.weight"
    if not has(shapes, "conv_first.weight", attention, "conv_last.weight"):
        return None
    width, inputs = shapes["conv_first.weight"][:2]
    return {
        "scale": shuffled(shapes, *(f"upsample.{place}.weight" for place in range(0, 8, 2))),
        "width": width,
        "groups": count(shapes, "body.", ".conv.weight"),
        "blocks": count(shapes, "body.0.residual_group.", ".rcab.0.weight"),
        "squeeze": width // shapes[attention][0],
        "inputs": inputs,
        "outputs": shapes["conv_last.weight"][0],
    }


def elan(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """The window sizes have no tensors: those of every published network are taken."""
    hidden = "body.0.modules_lfe.lfe_0.conv0.conv1x1.weight"
    hidden = hidden if hidden in shapes else "body.0.modules_lfe.lfe_0.conv0.shift_conv.conv1x1.weight"
    if not has(shapes, "head.0.weight", "tail.0.weight", hidden):
        return None
    width, channels = shapes["head.0.weight"][:2]
    return {
        "scale": root(shapes["tail.0.weight"][0] // channels),
        "width": width,
        "blocks": count(shapes, "body."),
        "expansion": shapes[hidden][0] // width,
        "shared": count(shapes, "body.0.modules_lfe.lfe_") - 1,
        "channels": channels,
    }


def criacl(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """RRDB with three projections; whether its shuffles enlarge stands in the channels."""
    if not has(shapes, "conv_first.weight", "body.0.rdb1.conv1.weight", "tail_conv1.weight", "conv_up1.weight"):
        return None
    width, inputs = shapes["conv_first.weight"][:2]
    return {
        "scale": Ask((1, 4)),
        "width": width,
        "blocks": count(shapes, "body.", ".rdb1.conv1.weight"),
        "growth": shapes["body.0.rdb1.conv1.weight"][0],
        "inputs": inputs,
        "outputs": shapes["conv_last.weight"][0],
    }


def _liif(shapes: Shapes, width: int) -> Arguments:
    """The perceptron: hidden sizes, and what its input is made of (features, two offsets, two cell sizes)."""
    layers = sorted(int(n.split(".")[2]) for n in shapes if n.startswith("imnet.layers.") and n.endswith(".weight"))
    sizes = [shapes[f"imnet.layers.{layer}.weight"] for layer in layers]
    numbers = sizes[0][1]
    unfold = numbers >= 9 * width
    return {
        "hidden": tuple(size[0] for size in sizes[:-1]),
        "unfold": unfold,
        "cell_decode": numbers - width * (9 if unfold else 1) == 4,
        "outputs": sizes[-1][0],
    }


def liif_edsr(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """EDSR's features and a perceptron."""
    if not has(shapes, "imnet.layers.0.weight", "encoder.conv_first.weight", "encoder.body.0.conv1.weight"):
        return None
    width = shapes["encoder.conv_first.weight"][0]
    return {"width": width, "blocks": count(shapes, "encoder.body.", ".conv1.weight"), **_liif(shapes, width)}


def liif_rdn(shapes: Shapes, _published: Set[str]) -> Arguments | None:
    """RDN's features and a perceptron."""
    if not has(shapes, "imnet.layers.0.weight", "encoder.sfe1.weight", "encoder.rdbs.0.layers.0.conv.weight"):
        return None
    width = shapes["encoder.sfe1.weight"][0]
    return {
        "width": width,
        "blocks": count(shapes, "encoder.rdbs.", ".lff.weight"),
        "layers": count(shapes, "encoder.rdbs.0.layers.", ".conv.weight"),
        "growth": shapes["encoder.rdbs.0.layers.0.conv.weight"][0],
        **_liif(shapes, width),
    }


RECOGNISERS: dict[str, Recogniser] = {
    "a2n": a2n,
    "aot-gan": inpainting.aot_gan,
    "aot-gan-discriminator": inpainting.aot_gan_discriminator,
    "basicvsr": video.basicvsr,
    "basicvsr-pp": video.basicvsr_plusplus,
    "collapsible": collapsible,
    "cria-cl": criacl,
    "deepfillv1": inpainting.deepfillv1,
    "deepfillv1-discriminators": inpainting.deepfillv1_discriminators,
    "deepfillv2": inpainting.deepfillv2,
    "deepfillv2-discriminator": inpainting.deepfillv2_discriminator,
    "dim": matting.dim,
    "edsr": edsr,
    "edvr": video.edvr,
    "edvr-features": video.edvr_features,
    "elan": elan,
    "fba": matting.fba,
    "gca": matting.gca,
    "glean": priors.glean,
    "global-local": inpainting.global_local,
    "global-local-discriminators": inpainting.global_local_discriminators,
    "iconvsr": video.iconvsr,
    "indexnet": matting.indexnet,
    "liif-edsr": liif_edsr,
    "liif-rdn": liif_rdn,
    "light-cnn": priors.light_cnn,
    "light-cnn-features": priors.light_cnn_features,
    "modified-vgg": priors.modified_vgg,
    "msrresnet": msrresnet,
    "pggan": priors.pggan,
    "pconv": inpainting.pconv,
    "rcan": rcan,
    "rdn": rdn,
    "realbasicvsr": video.realbasicvsr,
    "rrdbnet": rrdbnet,
    "spynet": video.spynet,
    "srcnn": srcnn,
    "srvgg-compact": srvgg,
    "stylegan2": priors.stylegan2,
    "stylegan2-discriminator": priors.stylegan2_discriminator,
    "tdan": video.tdan,
    "trimap-unet": matting.trimap_unet,
    "ttsr": priors.ttsr,
    "ttsr-discriminator": priors.ttsr_discriminator,
    "unet-discriminator": priors.unet_discriminator,
    "vgg": priors.vgg,
}
"""From an architecture to the function that reads its arguments off names and shapes."""
