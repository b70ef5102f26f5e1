"""Small pictures in folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from tests.metrics.pictures import noisy, textured

Save = Callable[[str, Tensor], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a (C, H, W) tensor as a PNG below the test's folder."""

    def write(name: str, image: Tensor) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = (image * 255).round().byte().movedim(0, -1).numpy()
        Image.fromarray(np.squeeze(levels)).save(path)
        return path

    return write


@pytest.fixture
def folders(tmp_path: Path, save: Save) -> tuple[Path, Path]:
    """Three pictures and what a x2 method made of them."""
    truth = textured(3, 30, 34)
    restored = noisy(truth)
    for index, name in enumerate(("baby", "bïrd 2", "woman")):
        save(f"truth/{name}.png", truth[index])
        save(f"restored/{name}_x2.png", restored[index])
    return tmp_path / "restored", tmp_path / "truth"
