"""The one table of architectures: name -> import path. Plain strings, so listing them imports no network."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from finesight.errors import ModelError, nearest

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NETWORKS", "network_class"]

NETWORKS: dict[str, str] = {
    "a2n": "finesight.models.image.a2n:A2n",
    "collapsible": "finesight.models.image.collapsible:Collapsible",
    "cria-cl": "finesight.models.image.cria_cl:CriaCl",
    "edsr": "finesight.models.image.edsr:Edsr",
    "elan": "finesight.models.image.elan:Elan",
    "liif-edsr": "finesight.models.image.liif:LiifEdsr",
    "liif-rdn": "finesight.models.image.liif:LiifRdn",
    "modified-vgg": "finesight.models.image.discriminator_vgg:ModifiedVgg",
    "msrresnet": "finesight.models.image.msrresnet:MsrResNet",
    "rcan": "finesight.models.image.rcan:Rcan",
    "rdn": "finesight.models.image.rdn:Rdn",
    "rrdbnet": "finesight.models.image.rrdbnet:RrdbNet",
    "srcnn": "finesight.models.image.srcnn:Srcnn",
    "srvgg-compact": "finesight.models.image.srvgg:SrvggCompact",
    "unet-discriminator": "finesight.models.image.discriminator_unet:UNetDiscriminator",
    "dic": "finesight.models.prior.dic:Dic",
    "glean": "finesight.models.prior.glean:Glean",
    "light-cnn": "finesight.models.prior.light_cnn:LightCnn",
    "light-cnn-features": "finesight.models.prior.light_cnn:LightCnnFeatures",
    "pggan": "finesight.models.prior.pggan:Pggan",
    "ttsr": "finesight.models.prior.ttsr:Ttsr",
    "ttsr-discriminator": "finesight.models.prior.ttsr_discriminator:TtsrDiscriminator",
    "stylegan2": "finesight.models.prior.stylegan2:StyleGan2",
    "stylegan2-discriminator": "finesight.models.prior.stylegan2_discriminator:StyleGan2Discriminator",
    "alexnet": "finesight.models.quality.alexnet:AlexNet",
    "dists": "finesight.models.quality.dists:Dists",
    "inception-v3": "finesight.models.quality.inception:InceptionV3",
    "lpips": "finesight.models.quality.lpips:Lpips",
    "pipal-quality": "finesight.models.quality.pipal:PipalQuality",
    "squeezenet": "finesight.models.quality.squeezenet:SqueezeNet",
    "vgg": "finesight.models.quality.vgg:Vgg",
    "spynet": "finesight.models.video.spynet:SpyNet",
    "basicvsr": "finesight.models.video.basicvsr:BasicVsr",
    "basicvsr-pp": "finesight.models.video.basicvsr_plusplus:BasicVsrPlusPlus",
    "collapsible-clip": "finesight.models.video.collapsible_clip:CollapsibleClip",
    "edvr": "finesight.models.video.edvr:Edvr",
    "edvr-features": "finesight.models.video.edvr:EdvrFeatures",
    "iconvsr": "finesight.models.video.iconvsr:IconVsr",
    "realbasicvsr": "finesight.models.video.realbasicvsr:RealBasicVsr",
    "tdan": "finesight.models.video.tdan:Tdan",
    "toflow": "finesight.models.video.toflow:ToFlow",
    "toflow-interpolation": "finesight.models.interpolation.toflow:ToFlowInterpolation",
    "cain": "finesight.models.interpolation.cain:Cain",
    "flavr": "finesight.models.interpolation.flavr:Flavr",
    "midway": "finesight.models.interpolation.midway:Midway",
    "aot-gan": "finesight.models.inpainting.aot_gan:AotGan",
    "aot-gan-discriminator": "finesight.models.inpainting.aot_gan:AotGanDiscriminator",
    "deepfillv1": "finesight.models.inpainting.deepfillv1:DeepFillV1",
    "deepfillv1-discriminators": "finesight.models.inpainting.deepfillv1:DeepFillV1Discriminators",
    "deepfillv2": "finesight.models.inpainting.deepfillv2:DeepFillV2",
    "deepfillv2-discriminator": "finesight.models.inpainting.deepfillv2:DeepFillV2Discriminator",
    "global-local": "finesight.models.inpainting.global_local:GlobalLocal",
    "global-local-discriminators": "finesight.models.inpainting.global_local:GlobalLocalDiscriminators",
    "rayfill": "finesight.models.inpainting.rayfill:RayFill",
    "pconv": "finesight.models.inpainting.pconv:PConv",
    "dim": "finesight.models.matting.dim:Dim",
    "gca": "finesight.models.matting.gca:Gca",
    "fba": "finesight.models.matting.fba:Fba",
    "indexnet": "finesight.models.matting.indexnet:IndexNet",
    "trimap-unet": "finesight.models.matting.trimap_unet:TrimapUnet",
}


def network_class(architecture: str) -> type[nn.Module]:
    """The class of an architecture by its name in ``NETWORKS``.

    Raises:
        ModelError: the name is not in the table; the nearest names are given.
    """
    if architecture not in NETWORKS:
        raise ModelError(f"'{architecture}' is not a known architecture. {nearest(architecture, NETWORKS)}".strip())
    module, _, name = NETWORKS[architecture].partition(":")
    found: type[nn.Module] = getattr(importlib.import_module(module), name)
    return found
