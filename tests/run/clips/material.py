"""Small clips and small networks for clips, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from finesight.models.table import network_class
from finesight.models.video.spynet import SpyNet
from finesight.zoo.model import Card, Model

__all__ = ["clip_network", "grey_levels", "moving_clip", "whole_clip"]


def moving_clip(frames: int, height: int, width: int, *, seed: int = 0, dtype: type = np.uint8) -> list[np.ndarray]:
    """A texture with the spectrum of photographs that moves one pixel down and two to the right each frame."""
    generator = np.random.default_rng(seed)
    tall, wide = height + frames, width + 2 * frames
    frequency = np.hypot(np.fft.fftfreq(tall)[:, None], np.fft.fftfreq(wide)[None])
    planes = [
        np.fft.ifft2(np.fft.fft2(generator.standard_normal((tall, wide))) / np.maximum(frequency, 0.01)).real
        for _ in range(3)
    ]
    texture = np.stack(planes, axis=-1)
    texture = (texture - texture.min()) / (texture.max() - texture.min())
    most = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    texture = (texture * most).astype(dtype)
    return [np.ascontiguousarray(texture[i : i + height, 2 * i : 2 * i + width]) for i in range(frames)]


def clip_network(architecture: str, *, whole_flow: bool = False, **arguments: Any) -> Model:
    """A network of random but fixed weights; recurrent ones get a flow of two levels unless ``whole_flow``: it is most
    of the work of a network this small."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = network_class(architecture)(**arguments).eval()
        for parameter in network.parameters():  # what begins at zero would hide mistakes
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.02)
        if network.traits.kind == "recurrent" and not whole_flow:
            getattr(network, "basicvsr", network).spynet = SpyNet(levels=2).eval()
    return Model(network, network.traits, Card(name=architecture, architecture=architecture, arguments=arguments))


def whole_clip(model: Model, frames: Sequence[np.ndarray]) -> np.ndarray:
    """What a recurrent network makes of the whole clip at once: ``(T, sH, sW, 3)`` floats of 255."""
    most = np.iinfo(frames[0].dtype).max if frames[0].dtype.kind == "u" else 1
    clip = torch.from_numpy(np.stack(frames).astype(np.float32) / most).permute(0, 3, 1, 2)[None]
    with torch.inference_mode():
        answer = model.network(clip)[0].clamp(0, 1) * 255
    return answer.permute(0, 2, 3, 1).numpy()


def grey_levels(ours: Sequence[np.ndarray], theirs: np.ndarray) -> float:
    """RMS difference of the worst frame, in grey levels of 255."""
    difference = np.stack(ours).astype(np.float32) - theirs
    return float(np.sqrt(np.square(difference).mean((1, 2, 3))).max())
