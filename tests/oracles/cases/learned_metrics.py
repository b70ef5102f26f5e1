"""Learned metrics and their backbones against lpips, DISTS, pytorch-fid's network and PIPAL's baseline."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.models.quality.dists import Dists
from finesight.models.quality.inception import InceptionV3
from finesight.models.quality.lpips import Lpips
from finesight.models.quality.pipal import PipalQuality, PreferenceRanker
from finesight.models.quality.pooling import BlurPool, L2Pool
from tests.oracles.case import Answers, Case
from tests.oracles.reader import Oracle

__all__ = ["CASES", "lpips_network"]


def lpips_network(oracle: Oracle) -> Lpips:
    config = oracle.config
    network = Lpips(config["net"], version=config["version"], calibrated=config.get("lpips", True))
    oracle.filled(network)
    return network


def lpips(oracle: Oracle) -> Answers:
    network = lpips_network(oracle)
    first, second = ((oracle.inputs[f"image{i}"] + 1) / 2 for i in (0, 1))
    features = network.features(first)
    layers = network.layers(features, network.features(second))
    raw = network.trunk((2 * first - 1 - network.image_shift) / network.image_scale)
    return {
        "distance": network(first, second).reshape(-1, 1, 1, 1),
        "map": network.map(first, second),
        "per_layer": torch.stack([layer.mean(dim=(1, 2, 3)) for layer in layers], dim=1),
    } | {f"feature{k}_mean": feature.mean(dim=(2, 3)) for k, feature in enumerate(raw.values())}


def dists(oracle: Oracle) -> Answers:
    network = Dists()
    oracle.filled(network)
    stages = network.features(oracle.inputs["x"])[1:]
    return {"dists": network(oracle.inputs["x"], oracle.inputs["y"])} | {
        f"stage{k}_mean": stage.mean(dim=(2, 3))[:, ::16] for k, stage in enumerate(stages, start=1)
    }


def inception(oracle: Oracle) -> Answers:
    config = oracle.config
    network = InceptionV3(resize=config.get("resize_input", True), rescale=config.get("normalize_input", True))
    oracle.filled(network)
    taps = network.taps(oracle.inputs["image"])
    return {
        "pool3": taps["pool3"],
        "block0": taps["block0"][:, ::8, ::9, ::9],
        "block1": taps["block1"][:, ::16, ::6, ::6],
        "block2": taps["block2"][:, ::32, ::4, ::4],
    }


def pooling(oracle: Oracle) -> Answers:
    x = oracle.inputs["x"]
    answers: dict[str, Tensor] = {}
    for name in oracle.outputs:
        kind, points, *rest = name.split("_")
        count = int(points)
        if kind == "l2":
            answers[name] = L2Pool(count).kernel if rest == ["filter"] else L2Pool(count)(x)
        elif kind == "maxblur":
            answers[name] = BlurPool(count)(F.max_pool2d(x, 2, stride=1))
        elif rest[0].startswith("stride"):
            answers[name] = BlurPool(count, stride=int(rest[0].removeprefix("stride")))(x)
        elif rest == ["more"]:
            answers[name] = BlurPool(count, more=1)(x)
        else:
            answers[name] = BlurPool(count, padding=rest[0])(x)  # type: ignore[arg-type]
    return answers


def pipal(oracle: Oracle) -> Answers:
    config = oracle.config
    network = PipalQuality(
        "alex" if config["FENet"] == "Alex" else "vgg16",
        heads="linear" if config["real_lpips"] else "deep",
        bias=config["control_bias"],
    )
    oracle.filled(network)
    pair = oracle.inputs["dist"], oracle.inputs["ref"]
    return {
        "score": network(*pair)[:, None],
        "layer_scores": network.layers(*pair),
        "diff_mean_abs": torch.stack([part.double().abs().mean() for part in network.differences(*pair)]),
    }


def ranker(oracle: Oracle) -> Answers:
    network = PreferenceRanker(oracle.config["chn_mid"], epsilon=oracle.config["eps"])
    oracle.filled(network)
    first, second, judge = (oracle.inputs[name][:, 0] for name in ("d0", "d1", "judge"))
    return {"probability": network(first, second)[:, None], "loss": network.loss(first, second, judge)}


CASES = {
    "lpips": Case(lpips),
    "DISTS": Case(dists, tolerance=1e-4),
    "FID Inception v3": Case(inception, tolerance=1e-4),
    "PIPAL baseline quality network": Case(pipal),
    "pairwise ranking loss": Case(ranker),
    "l2 pooling and blur pooling": Case(pooling),
}
