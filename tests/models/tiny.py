"""Every architecture of the table in a size that the contract test can afford."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from finesight.models.table import network_class
from finesight.nn.traits import Port, Traits

__all__ = ["TINY", "Tiny", "outputs_of"]

LAWS = (
    "sizes",
    "batch",
    "repeat",
    "gradient",
    "saved",
    "halo",
    "fused",
    "bfloat16",
    "channels_last",
    "export",
)
"""The laws of ``test_contract.py`` that an entry may be exempt from."""


@dataclass(frozen=True)
class Tiny:
    """One architecture for the contract test.

    Args:
        arguments: of the constructor, as small as the architecture allows.
        oracle: ``model`` of its reference files; ``""`` for a network of our own, which nobody else has published.
        sizes: heights and widths of the first input; odd ones, and one of a single row where the network takes it.
        inputs: makes the inputs where the ports do not say enough (from network, batch, size, generator).
        prepare: called once on the new network: values for parameters that start at zero and would hide mistakes.
        exempt: laws that cannot hold, each with the reason.
        tolerance: largest difference, over the largest value, between ways of computing the same.
        bfloat16: the same from float32 to bfloat16.
        large: above 20 million parameters even so: only under ``--large``.
        elsewhere: its reference files hold published weights and lie beside the checkout only.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    oracle: str = ""
    sizes: tuple[tuple[int, int], ...] = ((9, 13), (1, 6), (14, 3))
    inputs: Callable[[nn.Module, int, tuple[int, int], torch.Generator], tuple[Tensor, ...]] | None = None
    prepare: Callable[[nn.Module], None] | None = None
    exempt: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 1e-5
    bfloat16: float = 0.03
    large: bool = False
    elsewhere: bool = False

    def __post_init__(self) -> None:
        unknown = sorted(set(self.exempt) - set(LAWS))
        if unknown:
            raise ValueError(f"no such law: {', '.join(unknown)}; the laws are {', '.join(LAWS)}")

    def build(self, architecture: str) -> nn.Module:
        """The network in evaluation mode, its weights the same in every run."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(11)
            network = network_class(architecture)(**self.arguments)
            if self.prepare is not None:
                self.prepare(network)
        return network.eval()

    def inputs_of(self, network: nn.Module, batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """Random inputs as the ports say."""
        generator = torch.Generator().manual_seed(sum(size) * 7)
        if self.inputs is not None:
            return self.inputs(network, batch, size, generator)
        traits: Traits = network.traits  # type: ignore[assignment]
        return tuple(_of_port(port, traits, batch, size, generator) for port in traits.inputs)


def _of_port(port: Port, traits: Traits, batch: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    if port.space == "vector":
        return torch.randn(batch, port.channels, generator=generator)
    height, width = size if port.space == "whole" else (int(size[0] * port.ratio), int(size[1] * port.ratio))
    frames = {"window": (traits.frames,), "recurrent": (3,)}.get(traits.kind, ())
    return torch.rand(batch, *frames, port.channels, height, width, generator=generator)


def outputs_of(answer: object) -> list[Tensor]:
    """The tensors of an answer that may be one tensor, a tuple, a mapping or a dataclass of them."""
    if isinstance(answer, Tensor):
        return [answer]
    if isinstance(answer, Mapping):
        return [tensor for value in answer.values() for tensor in outputs_of(value)]
    if isinstance(answer, tuple | list):
        return [tensor for value in answer for tensor in outputs_of(value)]
    raise TypeError(f"a network answered with {type(answer).__name__}")


def _unlike_new(network: nn.Module) -> None:
    """Tensors that are all zero or one, as in a new network, would hide what is done with them."""
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point() and not tensor.any():
            tensor.normal_(0, 0.1)


def _converged(network: nn.Module) -> None:
    """Singular vectors as after some training: evaluation does not iterate."""
    network.train()
    side = 16
    for _ in range(20):
        network(torch.rand(1, 3, side, side))


def _open_heads(network: nn.Module) -> None:
    """No last ReLU shut for every picture."""
    for name, tensor in network.state_dict().items():
        if name.startswith("heads.") and name.endswith("bias"):
            tensor.fill_(0.5)


def _lively(network: nn.Module) -> None:
    """Weights of unit gain and statistics unlike a new network's, where published initial values let signals die."""
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            tensor.normal_(0, tensor[0].numel() ** -0.5)
        elif name.endswith(("weight_u", "weight_v")):
            tensor.div_(tensor.norm())
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point() and not name.endswith("weight"):
            tensor.normal_(0, 0.1)


def _settled(network: nn.Module) -> None:
    """Lively weights, and singular vectors as after some training, so that kernels keep their size."""
    _lively(network)
    for name, tensor in network.state_dict().items():
        if name.endswith(("bn.weight", "out_conv.bn.weight")):
            tensor.fill_(1)
    for module in network.modules():
        if hasattr(module, "weight_u") and callable(getattr(module, "normalised", None)):
            for _ in range(20):
                module.train().normalised()
    network.eval()


def _with_hole(
    network: nn.Module, batch: int, size: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A picture and a mask with a box, 1 = hole, in another place for each picture."""
    mask = torch.zeros(batch, 1, *size)
    for number in range(batch):
        top, left = size[0] // (4 + number), size[1] // (3 + number)
        mask[number, :, top : top + max(1, size[0] // 3), left : left + max(1, size[1] // 3)] = 1
    return torch.rand(batch, 3, *size, generator=generator), mask


def _with_trimap(
    network: nn.Module, batch: int, size: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A picture and a trimap of random classes."""
    classes = torch.randint(0, 3, (batch, 1, *size), generator=generator).float()
    return torch.rand(batch, 3, *size, generator=generator), classes


_SEVERAL = {"export": "slow, and BasicVSR++ and EDVR's features, exported below, hold the same layers"}
_CLIPS = ((17, 23), (1, 6))
_FIXED = ((128, 128),)
_TRUNK = ((67, 75), (71, 64))
_MASKED = {"halo": "it takes a mask as well: its own test measures it"}
_MAPPING = {"halo": "its own test measures it, layer by layer: it answers with several"}

TINY: dict[str, Tiny] = {
    "a2n": Tiny({"width": 12, "blocks": 2, "upsampler_width": 8, "reduction": 1}, "A2N"),
    "collapsible": Tiny({"width": 8, "depth": 2, "expansion": 12, "scale": 3}, prepare=_unlike_new),
    "cria-cl": Tiny({"width": 8, "blocks": 1, "growth": 4}, "Criteria-CL RRDB"),
    "edsr": Tiny({"width": 12, "blocks": 2, "scale": 4}, "EDSR"),
    "elan": Tiny({"width": 30, "blocks": 2, "windows": (2, 4), "peak": 1.0}, "ELAN", prepare=_unlike_new),
    "liif-edsr": Tiny({"width": 8, "blocks": 1, "hidden": (16, 16)}, "LIIFEDSR"),
    "liif-rdn": Tiny({"width": 8, "blocks": 2, "layers": 2, "growth": 4, "hidden": (16,)}, "LIIFRDN"),
    "modified-vgg": Tiny({"width": 4}, "ModifiedVGG", sizes=_FIXED, prepare=_unlike_new),
    "msrresnet": Tiny({"width": 12, "blocks": 2, "activation_after_shuffle": True, "dropout": 0.5}, "MSRResNet"),
    "rcan": Tiny({"width": 16, "groups": 2, "blocks": 2, "squeeze": 4, "scale": 3}, "RCAN"),
    "rdn": Tiny({"width": 8, "blocks": 2, "layers": 3, "growth": 6, "scale": 2}, "RDN"),
    "rrdbnet": Tiny({"width": 8, "blocks": 1, "growth": 4, "scale": 2}, "RRDBNet"),
    "srcnn": Tiny({"channels": (3, 8, 6, 3)}, "SRCNN"),
    "srvgg-compact": Tiny({"width": 8, "convolutions": 3}, "SRVGGNetCompact"),
    "unet-discriminator": Tiny({"width": 4}, "UNetDiscriminatorWithSpectralNorm", prepare=_converged),
    "alexnet": Tiny({}, "lpips", sizes=_TRUNK, exempt=_MAPPING, elsewhere=True),
    "dists": Tiny({}, "DISTS", sizes=_TRUNK, elsewhere=True, tolerance=2e-4, bfloat16=0.1),
    "inception-v3": Tiny({"resize": False}, "FID Inception v3", sizes=((75, 83),), large=True),
    "lpips": Tiny({"trunk": "squeeze"}, "lpips", sizes=_TRUNK, elsewhere=True),
    "pipal-quality": Tiny({}, "PIPAL baseline quality network", sizes=_TRUNK, prepare=_open_heads),
    "squeezenet": Tiny({}, "lpips", sizes=_TRUNK, exempt=_MAPPING, elsewhere=True),
    "vgg": Tiny(
        {"depth": 16, "layers": ("relu1_2", "relu2_2")}, "PerceptualLoss (VGG19)", sizes=((33, 18),), exempt=_MAPPING
    ),
    "stylegan2": Tiny(
        {"size": 16, "style_channels": 8, "mapping_layers": 2, "most_channels": 24},
        "stylegan2_generator",
        exempt={"channels_last": "its kernels have five axes"},
    ),
    "stylegan2-discriminator": Tiny(
        {"size": 16, "most_channels": 16},
        "stylegan2_discriminator",
        sizes=((16, 16),),
        exempt={"batch": "it looks at the deviation among the pictures of a batch"},
    ),
    "ttsr-discriminator": Tiny({"size": 32, "width": 4, "hidden": 16}, "ttsr_discriminator", sizes=((32, 32),)),
    "spynet": Tiny({"levels": 2}, "SPyNet (6 levels, no batch norm)"),
    "basicvsr": Tiny({"width": 8, "blocks": 1}, "BasicVSRNet", sizes=_CLIPS, exempt=_SEVERAL),
    "basicvsr-pp": Tiny({"width": 16, "blocks": 1}, "BasicVSRPlusPlus", sizes=_CLIPS, prepare=_unlike_new),
    "edvr": Tiny(
        {"width": 8, "blocks": 1, "frames": 3, "deform_groups": 2, "extraction_blocks": 1},
        "EDVRNet",
        prepare=_unlike_new,
        exempt=_SEVERAL,
    ),
    "edvr-features": Tiny(
        {"width": 8, "frames": 3, "deform_groups": 2, "extraction_blocks": 1},
        "IconVSR",
        sizes=((8, 12),),
        prepare=_unlike_new,
    ),
    "iconvsr": Tiny(
        {"width": 8, "blocks": 1, "stride": 2, "padding": 1},
        "IconVSR",
        sizes=_CLIPS,
        prepare=_unlike_new,
        exempt=_SEVERAL,
    ),
    "realbasicvsr": Tiny(
        {"width": 8, "blocks": 1, "cleaning_blocks": 1, "threshold": 5},
        "RealBasicVSRNet",
        sizes=_CLIPS,
        exempt={"export": "how often it cleans depends on the clip"},
    ),
    "tdan": Tiny({"width": 8, "blocks_before": 1, "blocks_after": 1}, "TDANNet", prepare=_unlike_new),
    "toflow": Tiny({"scale": 4}, "TOFlow", sizes=((4, 6), (1, 3)), prepare=_unlike_new),
    "toflow-interpolation": Tiny({}, "TOFlowVFINet", sizes=_CLIPS),
    "cain": Tiny(
        {"groups": 1, "blocks": 1, "depth": 1, "reduction": 1, "padding": 3},
        "CAINNet",
    ),
    "flavr": Tiny(
        {"widths": (4, 6, 8, 10), "blocks": (1, 1, 1, 1)},
        "FLAVRNet",
        exempt={"channels_last": "its kernels have five axes"},
    ),
    "midway": Tiny({"widths": (6, 8, 10)}, sizes=_CLIPS, prepare=_unlike_new, bfloat16=0.1),
    "collapsible-clip": Tiny(
        {"width": 8, "depth": 1, "behind_width": 6, "behind_depth": 1, "scale": 2},
        sizes=_CLIPS,
        prepare=_unlike_new,
    ),
    "glean": Tiny(
        {"in_size": 8, "out_size": 32, "width": 8, "blocks": 1, "growth": 4, "style_channels": 8, "mapping_layers": 1}
        | {"most_channels": 16},
        "glean",
        sizes=((8, 8),),
        exempt={"channels_last": "its bank's kernels have five axes"},
    ),
    "dic": Tiny(
        {"width": 4, "blocks": 2, "landmark_width": 8, "steps": 3, "fusion_blocks": 1}, "dic_net", sizes=((16, 16),)
    ),
    "light-cnn": Tiny({"size": 32, "width": 8}, "dic_light_cnn", sizes=((32, 32),)),
    "light-cnn-features": Tiny({"size": 32, "width": 8}, "dic_feature_loss", sizes=((32, 32),)),
    "pggan": Tiny(
        {"size": 16, "latent": 16, "base_channels": 128, "most_channels": 16},
        "pggan_generator",
        prepare=_unlike_new,
        exempt={
            "gradient": "the outputs of lower resolutions speak only with lod",
            "export": "lod, a tensor of the checkpoint, decides what is skipped",
        },
    ),
    "ttsr": Tiny(
        {"width": 8, "blocks": (1, 1, 1, 1)},
        "ttsr",
        sizes=((9, 13), (7, 6)),
        exempt={"halo": "it takes a reference as well: its own test measures it"},
    ),
    "aot-gan": Tiny(
        {"width": 4, "blocks": 1, "rates": (1, 2)},
        "aot-gan generator",
        sizes=((17, 23), (1, 6), (36, 12)),
        inputs=_with_hole,
        prepare=_lively,
    ),
    "aot-gan-discriminator": Tiny(
        {"width": 4},
        "aot-gan discriminator",
        sizes=((40, 33),),
        prepare=_lively,
        exempt={
            "sizes": "its last two convolutions lose a row and a column each: its own test counts them",
            "halo": "its own test measures it, shifted by these",
        },
    ),
    "deepfillv1": Tiny(
        {"channel_factor": 0.125, "decoder_factor": 0.125, "chunk": 5000},
        "deepfillv1 generator",
        sizes=((72, 80), (9, 13), (1, 6)),
        inputs=_with_hole,
        prepare=_lively,
    ),
    "deepfillv1-discriminators": Tiny(
        {"size": 64, "local_size": 32, "widths": (4, 6, 8, 8), "local_widths": (4, 6, 8, 12)},
        "deepfillv1 discriminators",
        sizes=((64, 64),),
        prepare=_lively,
    ),
    "global-local": Tiny({"width": 4}, "global-local generator", inputs=_with_hole, prepare=_lively, exempt=_MASKED),
    "global-local-discriminators": Tiny(
        {"size": 32, "local_size": 16, "widths": (4, 6, 8), "local_widths": (4, 6), "hidden": 8},
        "global-local discriminators",
        sizes=((32, 32),),
        prepare=_lively,
    ),
    "rayfill": Tiny(
        {"widths": (4, 6, 8), "dilations": (1, 2), "sweeps": 3, "reach": 3}, inputs=_with_hole, prepare=_lively
    ),
    "pconv": Tiny({"levels": 3, "width": 4}, "pconv generator", inputs=_with_hole, prepare=_lively, exempt=_MASKED),
    "deepfillv2": Tiny(
        {"channel_factor": 0.125, "decoder_factor": 0.125, "chunk": 5000},
        "deepfillv2 generator",
        sizes=((72, 80), (9, 13), (1, 6)),
        inputs=_with_hole,
        prepare=_lively,
    ),
    "deepfillv2-discriminator": Tiny(
        {"widths": (4, 6, 8, 8, 8, 8)},
        "deepfillv2 discriminator",
        sizes=((65, 128), (3, 9)),
        inputs=_with_hole,
        prepare=_lively,
        exempt=_MASKED,
    ),
    "gca": Tiny(
        {"width": 4, "encoder_blocks": (1, 1, 1, 1), "decoder_blocks": (1, 1, 1, 1), "chunk": 300},
        "gca",
        sizes=((33, 70), (9, 13), (1, 6)),
        inputs=_with_trimap,
        prepare=_settled,
    ),
    "dim": Tiny(
        {"widths": (4, 4, 6, 8, 8), "refine_width": 4},
        "deep image matting",
        sizes=((37, 70), (9, 13), (1, 6)),
        inputs=_with_trimap,
        prepare=_lively,
        exempt={
            "halo": "it takes a trimap as well: its own test measures it",
            "bfloat16": "rounding moves the places of maxima",
        },
    ),
    "fba": Tiny(
        {"width": 8, "blocks": (1, 1, 1, 1), "pool_scales": (1, 2)},
        "fba",
        sizes=((33, 70), (9, 13), (1, 6)),
        inputs=_with_trimap,
        prepare=_unlike_new,
        tolerance=1e-4,
        bfloat16=0.1,
        exempt={"export": "how far distances are looked for depends on what the trimap holds"},
    ),
    "trimap-unet": Tiny(
        {"widths": (4, 6, 8, 8), "detail": 4, "dilations": (1, 2), "first": "between"},
        sizes=((33, 70), (9, 13), (1, 6)),
        inputs=_with_trimap,
        prepare=_unlike_new,
        exempt={"halo": "it takes a trimap as well: its own test measures it"},
        bfloat16=0.06,
    ),
    "indexnet": Tiny(
        {"index": "o2o"},
        "indexnet",
        sizes=((37, 70), (9, 13), (1, 6)),
        inputs=_with_trimap,
        prepare=_lively,
        bfloat16=0.1,
    ),
}
