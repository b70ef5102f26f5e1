"""Image super-resolution networks and the discriminators that train them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from finesight.models.image.a2n import A2n
from finesight.models.image.cria_cl import CriaCl
from finesight.models.image.discriminator_unet import UNetDiscriminator
from finesight.models.image.discriminator_vgg import ModifiedVgg
from finesight.models.image.edsr import Edsr
from finesight.models.image.elan import Elan
from finesight.models.image.liif import Liif, LiifEdsr, LiifRdn
from finesight.models.image.msrresnet import MsrResNet
from finesight.models.image.rcan import Rcan
from finesight.models.image.rdn import Rdn
from finesight.models.image.rrdbnet import RrdbNet
from finesight.models.image.srcnn import Srcnn
from finesight.models.image.srvgg import SrvggCompact
from finesight.nn.construct import uninitialised
from finesight.nn.coordinates import cell_of, pixel_centres
from tests.oracles.case import Case
from tests.oracles.reader import Oracle

__all__ = ["CASES"]


def arguments(config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Our arguments from published ones; lists become tuples. A published name that ``names`` lacks is an error."""
    unknown = sorted(set(config) - set(names))
    if unknown:
        raise LookupError(f"no argument of ours is known for {', '.join(unknown)}")
    return {
        names[name]: tuple(value) if isinstance(value, list) else value
        for name, value in config.items()
        if names[name] and value is not None
    }


MMEDITING = {"in_channels": "inputs", "out_channels": "outputs", "mid_channels": "width", "num_blocks": "blocks"} | {
    "upscale_factor": "scale"
}
BASICSR = {"num_in_ch": "inputs", "num_out_ch": "outputs", "num_feat": "width", "num_block": "blocks"} | {
    "upscale": "scale",
    "scale": "scale",
}
RDN = MMEDITING | {"num_layers": "layers", "channel_growth": "growth"}
RRDB = MMEDITING | BASICSR | {"growth_channels": "growth", "num_grow_ch": "growth"}
RCAN = BASICSR | {
    "num_group": "groups",
    "squeeze_factor": "squeeze",
    "res_scale": "residual_scale",
    "img_range": "peak",
    "rgb_mean": "mean",
}
A2N = (
    MMEDITING
    | {"scale": "scale", "up_channels": "upsampler_width", "reduction": "reduction"}
    | {
        "temperature": "temperature",
        "non_attention_kernel": "plain_kernel",
    }
)
ELAN = {"scale": "scale", "img_range": "peak", "colors": "channels", "window_sizes": "windows", "m_elan": "blocks"} | {
    "c_elan": "width",
    "n_share": "shared",
    "r_expand": "expansion",
    "rgb_mean": "mean",
}


def edsr(config: Mapping[str, Any]) -> Edsr:
    names = MMEDITING | {"res_scale": "residual_scale", "rgb_mean": "mean", "rgb_std": "std"}
    given = arguments(config, names)
    channels = {given.pop("inputs", 3), given.pop("outputs", 3)}
    if len(channels) != 1:
        raise LookupError(f"EDSR gives back the channels it takes, not {channels}")
    return Edsr(channels=channels.pop(), **given)


def srvgg(config: Mapping[str, Any]) -> SrvggCompact:
    names = BASICSR | {"num_conv": "convolutions", "act_type": "activation"}
    given = arguments(config, names)
    given.pop("outputs", None)
    return SrvggCompact(channels=given.pop("inputs", 3), **given)


def liif(config: Mapping[str, Any]) -> Liif:
    encoder = {name: value for name, value in config["encoder"].items() if name not in ("type", "upscale_factor")}
    names = {"local_ensemble": "local_ensemble", "feat_unfold": "unfold", "cell_decode": "cell_decode"}
    own = arguments(
        {name: value for name, value in config.items() if name not in ("encoder", "imnet", "eval_bsize")},
        names | {"rgb_mean": "mean", "rgb_std": "std"},
    )
    own |= arguments(config["imnet"], {"type": "", "in_dim": "", "out_dim": "outputs", "hidden_list": "hidden"})
    kinds: dict[str, type[Liif]] = {"EDSR": LiifEdsr, "RDN": LiifRdn}
    given = arguments(encoder, RDN | {"res_scale": "residual_scale"})
    given.pop("inputs", None)
    given.pop("outputs", None)  # of the encoder's last layer, which LIIF does not have
    return kinds[config["encoder"]["type"]](**given, **own)


def filled(oracle: Oracle, build: Callable[[], nn.Module]) -> nn.Module:
    """The network with the file's tensors; its own initial values are not drawn."""
    with uninitialised():
        network = build()
    return oracle.filled(network)


def plain(build: Callable[[Mapping[str, Any]], nn.Module]) -> Callable[[Oracle], dict[str, Tensor]]:
    """One picture in, one out, whatever their names in the file."""

    def answer(oracle: Oracle) -> dict[str, Tensor]:
        network = filled(oracle, partial(build, oracle.config))
        (image,) = oracle.inputs.values()
        (name,) = oracle.outputs
        return {name: network(image)}

    return answer


def answer_rcan(oracle: Oracle) -> dict[str, Tensor]:
    """``sr`` or ``output``, and the first channels after any of the groups."""
    scale = {} if "upscale" in oracle.config or "scale" in oracle.config else {"scale": 1}
    network = filled(oracle, lambda: Rcan(**arguments(oracle.config, RCAN), **scale))
    assert isinstance(network, Rcan)
    groups: dict[str, Tensor] = {}
    wanted = {int(name.removeprefix("group_")): name for name in oracle.outputs if name.startswith("group_")}
    for number, group in enumerate(network.body):
        if number in wanted:
            group.register_forward_hook(partial(_keep, groups, wanted[number]))
    (image,) = oracle.inputs.values()
    answer = network(image)
    return {
        name: groups[name][:, : expected.shape[1]] if name in groups else answer
        for name, expected in oracle.outputs.items()
    }


def _keep(kept: dict[str, Tensor], name: str, module: nn.Module, given: object, output: Tensor) -> None:
    kept[name] = output.clone()


def answer_liif(oracle: Oracle) -> dict[str, Tensor]:
    """Features and colours of every pixel centre of a grid, in portions of the published size."""
    network = filled(oracle, lambda: liif(oracle.config))
    assert isinstance(network, Liif)
    image = oracle.inputs["lq"]
    height, width = oracle.inputs["size"].tolist()
    features = network.encode(image)
    coordinates = pixel_centres((height, width)).expand(image.shape[0], -1, -1)
    cell = cell_of((height, width)).expand(image.shape[0], 1, 2)
    chunk = oracle.config["eval_bsize"] or height * width
    colours = network.query(features, coordinates, cell, chunk=chunk)
    return {
        "sr": colours.mT.unflatten(-1, (height, width)),
        "feature": features,
        "feature_part": features[:, ::16],
    }


def answer_liif_coordinates(oracle: Oracle) -> dict[str, Tensor]:
    image = oracle.inputs["image"]
    size = (image.shape[1], image.shape[2])
    larger = (round(size[0] * 2.7), round(size[1] * 2.7))
    return {
        "coord": pixel_centres(size),
        "cell": cell_of(size).expand(size[0] * size[1], 2),
        "rgb": image.flatten(1).mT,
        "coord27": pixel_centres(larger),
        "cell27": cell_of(larger).expand(larger[0] * larger[1], 2),
    }


def answer_elan(oracle: Oracle) -> dict[str, Tensor]:
    """End to end, the first layers' outputs, or the first block's attention, as ``call`` names them."""
    network = filled(oracle, lambda: Elan(**arguments(oracle.config, ELAN)))
    assert isinstance(network, Elan)
    features = network.head(network.normalised(oracle.inputs["image"]))
    answers = {"head": features[:, ::20]}
    block = network.body[0]
    maps = block.modules_gmsa["gmsa_0"].attention(block.modules_lfe["lfe_0"](features) + features)
    answers |= {"attention_first": maps[0][0, :4], "attention_last": maps[-1][0, :1, :8]}
    if "output" in oracle.outputs:
        answers["output"] = network(oracle.inputs["image"])
    last = max((int(n.removeprefix("block_")) for n in oracle.outputs if n.startswith("block_")), default=-1)
    for number, module in enumerate(network.body[: last + 1]):
        features = module(features)
        answers[f"block_{number}"] = features[:, ::20]
    return answers


def answer_cria_cl(oracle: Oracle) -> dict[str, Tensor]:
    names = {"in_nc": "inputs", "out_nc": "outputs", "nf": "width", "nb": "blocks", "gc": "growth"}
    network = filled(oracle, lambda: CriaCl(**arguments(oracle.config, names)))
    assert isinstance(network, CriaCl)
    views = network.views(oracle.inputs["image"])
    step = views.mask.shape[1] // oracle.outputs["mask"].shape[1]
    return {"output": views.first + views.second, "middle": views.middle, "mask": views.mask[:, ::step]}


def answer_modified_vgg(oracle: Oracle) -> dict[str, Tensor]:
    names = MMEDITING | BASICSR | {"input_size": "side"}
    network = filled(oracle, lambda: ModifiedVgg(**arguments(oracle.config, names)))
    assert isinstance(network, ModifiedVgg)
    image = oracle.inputs["image_u8"] / 255
    answers = {"logit": network(image)[:, None], "feature_part": network.features(image)[:, ::16]}
    return answers | {"logit_train": network.train()(image)[:, None]}


def answer_dropout(oracle: Oracle) -> dict[str, Tensor]:
    """In evaluation, and in training with the given mask in place of the drawn one."""
    names = {"num_feat": "width", "num_block": "blocks", "upscale": "scale", "p": "dropout"}
    network = filled(oracle, lambda: MsrResNet(**arguments(oracle.config, names), activation_after_shuffle=True))
    assert isinstance(network, MsrResNet)
    answers = {"eval": network(oracle.inputs["image"])}
    network.dropout = GivenMask(oracle.inputs["mask"], network.dropout.probability)  # type: ignore[assignment]
    return answers | {"train": network.train()(oracle.inputs["image"])}


class GivenMask(nn.Module):
    """Dropout whose draw is known: ``mask`` ``(N, C)`` is 1 for channels that are kept."""

    def __init__(self, mask: Tensor, probability: float) -> None:
        super().__init__()
        self.factor = mask[..., None, None] / (1 - probability)

    def forward(self, features: Tensor) -> Tensor:
        return features * self.factor


UNET = MMEDITING | BASICSR | {"skip_connection": "skip_connection"}

CASES: dict[str, Case] = {
    "SRCNN": Case(
        plain(
            lambda c: Srcnn(
                **arguments(c, {"channels": "channels", "kernel_sizes": "kernels", "upscale_factor": "scale"})
            )
        )
    ),
    "MSRResNet": Case(plain(lambda c: MsrResNet(**arguments(c, MMEDITING)))),
    "SRResNet without BN with channel dropout before the last convolution": Case(answer_dropout),
    "EDSR": Case(plain(edsr)),
    "RDN": Case(plain(lambda c: Rdn(**arguments(c, RDN)))),
    "RRDBNet": Case(plain(lambda c: RrdbNet(**arguments(c, RRDB)))),
    "RRDB with pixel-shuffle upsampling": Case(
        plain(lambda c: RrdbNet(**arguments(c, RRDB), upsampler="pixelshuffle"))
    ),
    "RCAN": Case(answer_rcan),
    "RCANNOUP": Case(answer_rcan),
    "RCAN without upsampling": Case(answer_rcan, tolerance=1e-4),  # 6e8 at its end: float64 differs by 1e-4
    "ELAN": Case(answer_elan),
    "A2N": Case(plain(lambda c: A2n(**arguments(c, A2N), peak=1.0))),  # these files feed [0, 1] as it is
    "A2N-M": Case(plain(lambda c: A2n(**arguments(c, A2N), peak=1.0))),
    "SRVGGNetCompact": Case(plain(srvgg)),
    "LIIFEDSR": Case(answer_liif),
    "LIIFRDN": Case(answer_liif),
    "LIIF query coordinates": Case(answer_liif_coordinates),
    "Criteria-CL RRDB": Case(answer_cria_cl),
    "ModifiedVGG": Case(answer_modified_vgg),
    "UNetDiscriminatorWithSpectralNorm": Case(plain(lambda c: UNetDiscriminator(**arguments(c, UNET)))),
    "UNet discriminator with spectral norm": Case(plain(lambda c: UNetDiscriminator(**arguments(c, UNET)))),
}
