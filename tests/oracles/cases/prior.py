"""StyleGAN2, GLEAN, TTSR and DIC: which of our calls each published case is.

The published images of StyleGAN2 and GLEAN lie in [-1, 1], ours in [0, 1]; ``to_unit`` and ``to_signed`` change over.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from finesight.losses.perceptual import perceptual
from finesight.losses.texture import texture_transfer
from finesight.models.prior.dic import Dic, PartFusion, face_inputs
from finesight.models.prior.face_parts import five_parts, landmark_heatmaps
from finesight.models.prior.glean import Glean
from finesight.models.prior.hourglass import FeedbackHourglass
from finesight.models.prior.light_cnn import FACE_MEAN, LightCnn, LightCnnFeatures
from finesight.models.prior.stylegan2 import ModulatedConv, StyleGan2
from finesight.models.prior.stylegan2_discriminator import StyleGan2Discriminator, minibatch_deviation
from finesight.models.prior.ttsr import TextureExtractor, Ttsr, aligned_inputs, search_textures
from finesight.models.prior.ttsr_discriminator import TtsrDiscriminator
from finesight.models.prior.ttsr_trunk import TextureTrunk
from finesight.nn.construct import uninitialised
from finesight.nn.equalised import EqualisedLinear, biased_leaky_relu, pixel_norm
from finesight.nn.upfirdn import Blur, Enlarge, blur_kernel, upfirdn2d
from tests.oracles.case import Answers, Case
from tests.oracles.reader import Oracle

__all__ = ["CASES", "overall", "sampled", "to_signed", "to_unit", "values"]


def to_unit(signed: Tensor) -> Tensor:
    return signed / 2 + 0.5


def to_signed(unit: Tensor) -> Tensor:
    return unit * 2 - 1


def values(config: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """A published configuration under our argument names; a key that is not known is an error, never ignored."""
    unknown = sorted(set(config) - set(names))
    if unknown:
        raise LookupError(f"no argument of ours stands for {', '.join(unknown)}")
    return {names[key]: tuple(value) if isinstance(value, list) else value for key, value in config.items()}


def sampled(image: Tensor, expected: tuple[int, ...]) -> Tensor:
    """Every k-th row and column, k from the size that is stored."""
    step = max(1, image.shape[-1] // expected[-1])
    return image[..., ::step, ::step]


def overall(image: Tensor) -> dict[str, Tensor]:
    return {"mean": image.mean(dim=(0, 2, 3)), "std": image.transpose(0, 1).flatten(1).std(dim=1)}


# ---------------------------------------------------------------------------------------------------- StyleGAN2

STYLEGAN2 = {
    "out_size": "size",
    "style_channels": "style_channels",
    "num_mlps": "mapping_layers",
    "channel_multiplier": "channel_multiplier",
    "blur_kernel": "blur",
    "lr_mlp": "mapping_rate",
}


def stylegan2_generator(oracle: Oracle) -> Answers:
    with uninitialised():
        network = StyleGan2(**values(oracle.config, STYLEGAN2))
    oracle.filled(network)
    given = oracle.inputs
    if "z" not in given:
        image = network.synthesise(given["wplus"])
        return {"image": sampled(image, oracle.outputs["image"].shape), **overall(image)}
    z = given["z"]
    w = network.map(z)
    noise = [given[f"noise{index}"] for index in range(network.noises)]
    answers = {
        "image": to_signed(network(z)),
        "latent": w,
        "mixed": network.synthesise(network.mix(w[:1], w[1:2], 3)),
        "truncated": network.synthesise(network.truncate(w, given["mean_latent"], 0.5)),
        "from_w": network.synthesise(given["w"]),
        "from_wplus": network.synthesise(given["wplus"]),
        "other_noise": to_signed(network(z[:1], noise)),
        "no_noise": to_signed(network(z[:1], [torch.zeros_like(each) for each in noise])),
    }
    return {
        name: sampled(answer, oracle.outputs[name].shape) if answer.ndim == 4 else answer
        for name, answer in answers.items()
    }


def stylegan2_discriminator(oracle: Oracle) -> Answers:
    config = dict(oracle.config)
    deviation = config.pop("mbstd_cfg", {})
    names = {"in_size": "size", "channel_multiplier": "channel_multiplier", "blur_kernel": "blur"}
    options = values(deviation, {"group_size": "group", "channel_groups": "channel_groups"})
    with uninitialised():
        network = StyleGan2Discriminator(**values(config, names), **options)
    oracle.filled(network)
    image = to_unit(oracle.inputs["image"])
    features = network.features(image)
    answers = {
        "score": network.score(features)[:, None],
        "features": features[:, :: features.shape[1] // oracle.outputs["features"].shape[1]],
    }
    for name, count in (("score_first", 1), ("score_pair", 2)):
        if name in oracle.outputs:
            answers[name] = network.score(features[:count])[:, None]
    return answers


def stylegan2_modulated_conv(oracle: Oracle) -> Answers:
    names = {
        "in_channels": "inputs",
        "out_channels": "outputs",
        "kernel_size": "size",
        "style_channels": "style_channels",
        "demodulate": "demodulate",
        "upsample": "upsample",
        "downsample": "downsample",
        "blur_kernel": "blur",
    }
    layer = oracle.filled(ModulatedConv(**values(oracle.config, names)))
    return {"out": layer(oracle.inputs["x"], oracle.inputs["style"])}


def stylegan2_equal_linear(oracle: Oracle) -> Answers:
    config = dict(oracle.config)
    activation = config.pop("activation", None)
    if activation not in (None, "biased leaky ReLU"):
        raise LookupError(f"activation {activation} is not known")
    names = {"in_features": "inputs", "out_features": "outputs", "lr_mul": "rate", "gain": "gain", "bias_init": "bias"}
    layer = EqualisedLinear(**values(config, names), activate=activation is not None)
    return {"out": oracle.filled(layer)(oracle.inputs["x"])}


def stylegan2_functions(oracle: Oracle) -> Answers:
    x, kernel, features = (oracle.inputs[name] for name in ("x", "kernel", "f"))
    return {
        "plain": upfirdn2d(x, kernel, pad=(1, 2)),
        "up2": upfirdn2d(x, kernel, up=2, pad=(2, 1)),
        "down2": upfirdn2d(x, kernel, down=2, pad=(2, 1)),
        "both": upfirdn2d(x, kernel, up=3, down=2, pad=(1, 2)),
        "pad4": upfirdn2d(x, kernel, pad=(2, 1, 0, 3)),
        "crop": upfirdn2d(x, kernel, up=2, pad=(-1, 3)),
        "blur_kernel": blur_kernel(),
        "upsample": Enlarge()(x),
        "blur_up": Blur(pad=(1, 1), gain=4)(x),
        "blur_down": Blur(pad=(2, 2))(x),
        "pixel_norm": pixel_norm(oracle.inputs["v"]),
        "lrelu": biased_leaky_relu(oracle.inputs["v"], oracle.inputs["b"]),
        "mbstd": minibatch_deviation(features),
        "mbstd2": minibatch_deviation(features, group=2, channel_groups=2),
    }


# -------------------------------------------------------------------------------------------------------- GLEAN


def glean(oracle: Oracle) -> Answers:
    names = STYLEGAN2 | {
        "in_size": "in_size",
        "out_size": "out_size",
        "img_channels": "channels",
        "rrdb_channels": "width",
        "num_rrdbs": "blocks",
    }
    with uninitialised():
        network = Glean(**values(oracle.config, names))
    oracle.filled(network)
    picture = oracle.inputs["lq"]
    image = to_signed(network(to_unit(picture)))
    features, styles = network.encode(picture)
    for details in network.bank(features, styles):
        bank = details  # the last one is stored
    return {
        "sr": sampled(image, oracle.outputs["sr"].shape),
        **overall(image),
        "latent": styles[..., ::8],
        "encoded": features[-1][:, ::64, ::4, ::4],
        "bank": bank[:, ::16, ::32, ::32],
    }


# --------------------------------------------------------------------------------------------------------- TTSR

TRUNK = {
    "in_channels": "inputs",
    "out_channels": "outputs",
    "mid_channels": "width",
    "texture_channels": "texture",
    "num_blocks": "blocks",
    "res_scale": "residual",
}
# the extractor's normalisation, which pixel_range changes, lies in the tensors
EXTRACTOR = {"pixel_range", "requires_grad"}


def ttsr(oracle: Oracle) -> Answers:
    if set(oracle.config) - {"generator", "extractor"} or set(oracle.config["extractor"]) - EXTRACTOR:
        raise LookupError(f"unknown settings in {oracle.config}")
    network = oracle.filled(Ttsr(**values(oracle.config["generator"], TRUNK)))
    given = oracle.inputs
    image, attention = network.restore(to_unit(given["lq"]), given["lq_up"], given["ref"], given["ref_downup"])
    return {"sr": to_signed(image), "soft_attention": attention}


def ttsr_net(oracle: Oracle) -> Answers:
    network = oracle.filled(TextureTrunk(**values(oracle.config, TRUNK)))
    textures = [oracle.inputs[name] for name in ("t3", "t2", "t1")]
    return {"sr": network(oracle.inputs["lq"], oracle.inputs["soft_attention"], textures)}


def ttsr_lte(oracle: Oracle) -> Answers:
    if set(oracle.config) - EXTRACTOR:
        raise LookupError(f"unknown settings in {oracle.config}")
    levels = oracle.filled(TextureExtractor())(oracle.inputs["image"])
    return dict(zip(("level3", "level2", "level1"), levels, strict=True))


def ttsr_search(oracle: Oracle) -> Answers:
    references = [oracle.inputs[name] for name in ("ref3", "ref2", "ref1")]
    attention, textures = search_textures(oracle.inputs["lq_up"], oracle.inputs["ref_downup"], references)
    return {"soft_attention": attention, **dict(zip(("t3", "t2", "t1"), textures, strict=True))}


def ttsr_discriminator(oracle: Oracle) -> Answers:
    network = TtsrDiscriminator(**values(oracle.config, {"in_channels": "inputs", "in_size": "size"}))
    oracle.filled(network)
    image = to_unit(oracle.inputs["image"])
    return {"logit": network(image)[:, None], "features": network.features(image)[:, ::16]}


def ttsr_inputs(oracle: Oracle) -> Answers:
    if oracle.config != {"scale": 4}:
        raise LookupError(f"only scale 4 is published, got {oracle.config}")
    given = {name: levels.permute(2, 0, 1).contiguous() for name, levels in oracle.inputs.items()}
    found = aligned_inputs(given["gt"], given["ref"])
    return {
        "lq": to_signed(found["image"]),
        "gt": to_signed(found["truth"]),
        "lq_up": found["enlarged"],
        "ref": found["reference"],
        "ref_downup": found["blurred"],
    }


def ttsr_transferal_loss(oracle: Oracle) -> Answers:
    given = oracle.inputs
    maps, textures = ([given[f"{head}{level}"] for level in (3, 2, 1)] for head in "mt")
    attention = given["soft_attention"]
    answers: dict[str, Tensor] = {
        f"{criterion}_{name}": texture_transfer(maps, textures, soft, criterion=criterion, sigmoid="first")
        for criterion in ("mse", "l1")
        for name, soft in (("attention", attention), ("plain", None))
    }
    return answers | {"configured": 0.01 * texture_transfer(maps, textures)}


# ---------------------------------------------------------------------------------------------------------- DIC

DIC = {
    "in_channels": "inputs",
    "out_channels": "outputs",
    "mid_channels": "width",
    "num_blocks": "blocks",
    "hg_mid_channels": "landmark_width",
    "hg_num_keypoints": "landmarks",
    "num_steps": "steps",
    "upscale_factor": "projection",
    "detach_attention": "detach_attention",
    "prelu_init": "slope",
    "num_heatmaps": "parts",
    "num_fusion_blocks": "fusion_blocks",
}


def _face_mean() -> Tensor:
    return torch.tensor(FACE_MEAN).view(1, 3, 1, 1)


def dic_net(oracle: Oracle) -> Answers:
    with uninitialised():
        network = Dic(**values(oracle.config, DIC))
    oracle.filled(network)
    found = network.steps(oracle.inputs["lq"] + _face_mean())
    answers = {}
    for step, (image, heatmap) in enumerate(zip(found.images, found.heatmaps, strict=True)):
        last = step + 1 == len(found.images)
        answers[f"sr{step}"] = (image - _face_mean())[..., :: 1 if last else 4, :: 1 if last else 4]
        answers[f"heatmap{step}"] = heatmap[..., ::4, ::4]
    return answers


def dic_hourglass(oracle: Oracle) -> Answers:
    names = {"in_channels": "inputs", "mid_channels": "width", "num_keypoints": "landmarks"}
    network = oracle.filled(FeedbackHourglass(**values(oracle.config, names)))
    heatmap, feedback = network(oracle.inputs["image"])
    heatmap2, feedback2 = network(oracle.inputs["image"], feedback)
    return {
        "heatmap": heatmap,
        "feedback": feedback[:, ::8],
        "heatmap2": heatmap2,
        "feedback2": feedback2[:, ::8],
    }


def dic_fusion(oracle: Oracle) -> Answers:
    names = {"in_channels": "width", "num_heatmaps": "parts", "num_blocks": "blocks"}
    network = oracle.filled(PartFusion(**values(oracle.config, names)))
    return {"out": network(oracle.inputs["feature"], oracle.inputs["heatmap"])}


def dic_five_heatmaps(oracle: Oracle) -> Answers:
    return {f"five{number}": five_parts(oracle.inputs[f"in{number}"]) for number in (68, 194, 5)}


def dic_heatmap(oracle: Oracle) -> Answers:
    size, target = (
        (side, side) if isinstance(side, int) else tuple(side)
        for side in (oracle.config["ori_size"], oracle.config["target_size"])
    )
    maps = landmark_heatmaps(oracle.inputs["landmark"], size=size, heatmap=target, sigma=oracle.config["sigma"])
    return {"heatmap": maps.permute(1, 2, 0)[..., ::4]}


def dic_inputs(oracle: Oracle) -> Answers:
    small, truth = face_inputs(oracle.inputs["gt"].permute(2, 0, 1))
    mean = _face_mean()[0]
    return {"lq": small - mean, "gt": (truth - mean)[:, ::4, ::4]}


def dic_light_cnn(oracle: Oracle) -> Answers:
    image = oracle.inputs["image"]
    network = LightCnn(**values(oracle.config, {"in_channels": "inputs"}), size=image.shape[-1])
    oracle.filled(network)
    image = image + _face_mean()
    return {"logit": network(image)[:, None], "features": network.describe(image)[:, ::8]}


def dic_feature_loss(oracle: Oracle) -> Answers:
    network = oracle.filled(LightCnnFeatures())
    first, second = ({"features": network(oracle.inputs[name] + _face_mean())} for name in ("pred", "gt"))
    weight, criterion = oracle.config["loss_weight"], oracle.config["criterion"]
    return {
        "l1": perceptual(first, second, {"features": weight}, criterion=criterion),
        "mse": perceptual(first, second, {"features": 1.0}, criterion="mse"),
        "pred_features": first["features"][:, ::16],
    }


CASES = {
    "dic_feature_loss": Case(dic_feature_loss),
    "dic_five_heatmaps": Case(dic_five_heatmaps),
    "dic_fusion": Case(dic_fusion),
    "dic_heatmap": Case(dic_heatmap),
    "dic_hourglass": Case(dic_hourglass),
    "dic_inputs": Case(dic_inputs),
    "dic_light_cnn": Case(dic_light_cnn),
    "dic_net": Case(dic_net),
    "ttsr_transferal_loss": Case(ttsr_transferal_loss),
    # the published attention's own rounding (7e-7) comes out of the trunk twentyfold
    "ttsr": Case(ttsr, tolerance=1e-4),
    "ttsr_discriminator": Case(ttsr_discriminator),
    "ttsr_inputs": Case(ttsr_inputs),
    "ttsr_lte": Case(ttsr_lte),
    "ttsr_net": Case(ttsr_net),
    "ttsr_search": Case(ttsr_search),
    "glean": Case(glean),
    "stylegan2_discriminator": Case(stylegan2_discriminator),
    "stylegan2_equal_linear": Case(stylegan2_equal_linear),
    "stylegan2_functions": Case(stylegan2_functions),
    "stylegan2_generator": Case(stylegan2_generator),
    "stylegan2_modulated_conv": Case(stylegan2_modulated_conv),
}
