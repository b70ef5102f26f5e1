"""Fit NIQE's model of good photographs to a folder of them: ``python benchmarks/fit_niqe.py PHOTOS [TARGET]``.

Made ``src/finesight/evaluate/niqe_photos.safetensors`` from the 55 freely licensed photographs that also trained the
shipped weights. Photographs are halved first (MATLAB bicubic): at their full 2000 pixels few blocks are sharp.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from finesight.evaluate.scoring import as_tensor
from finesight.metrics import fit_niqe
from finesight.metrics.filtering import half_size

TARGET = Path(__file__).resolve().parent.parent / "src/finesight/evaluate/niqe_photos.safetensors"


def main(folder: Path, target: Path = TARGET) -> None:
    files = sorted(folder.glob("*.jpg"))
    pictures = (half_size(as_tensor(file)).clamp(0, 1) for file in files)
    model = fit_niqe(pictures, source=folder.name, luma="gray-rounded")
    facts = {"fitted_to": f"{len(files)} photographs at half size", "luma": "gray-rounded"}
    save_file({"mean": model.mean, "covariance": model.covariance.contiguous()}, target, metadata=facts)
    print(f"{target}: mean of {len(files)} photographs, largest feature {float(model.mean.max()):.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*map(Path, sys.argv[1:3]))
