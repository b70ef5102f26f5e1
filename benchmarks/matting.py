"""How good and how fast matting is: ``python benchmarks/matting.py quality|connectivity|attention``.

quality       finesight-matte against closed-form matting on photographs that training left out, under drawn alphas
connectivity  CONN against labelling the components of every threshold anew
attention     GCA's attention for 1024x1024, ours against the attention written with unfolded patches

Prints a table and writes benchmarks/results/matting_WHAT.json; asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from finesight.data.matting_drawn import KINDS, drawn_alpha
from finesight.data.matting_source import drawn_sample
from finesight.metrics.alpha import alpha_mse, connectivity_error, gradient_error, sad
from finesight.nn.guided_attention import GuidedContextualAttention
from finesight.nn.trimap import UNKNOWN, impose
from finesight.run.matting import closed_form_alpha
from finesight.run.memory import measure_peak

HERE = Path(__file__).parent
PHOTOS = HERE.parents[1] / "shared" / "data" / "photos"
HELD_OUT = 7  # as in recipes/finesight-matte.yaml: every seventh photograph


def held_out() -> list[np.ndarray]:
    """The photographs that training left out, halved."""
    paths = sorted(PHOTOS.glob("*.jpg"))[HELD_OUT - 1 :: HELD_OUT]
    found = []
    for path in paths:
        with Image.open(path) as file:
            found.append(np.asarray(file.convert("RGB").reduce(2)))
    return found


def samples(side: int = 192, each: int = 2) -> list[tuple[str, Tensor, Tensor, Tensor]]:
    """Kind, picture, trimap and alpha of ``each`` samples of every kind, always the same."""
    random, photos, found = np.random.default_rng(2026), held_out(), []

    def cut() -> np.ndarray:
        photo = photos[int(random.integers(len(photos)))]
        top, left = (int(random.integers(0, n - side + 1)) for n in photo.shape[:2])
        return photo[top : top + side, left : left + side]

    for kind in KINDS:
        for _ in range(each):
            image, trimap, alpha, _, _ = drawn_sample(random, cut(), cut(), widest=20, noise=2.0, kind=kind)
            found.append((kind, image[None], trimap[None], alpha[None]))
    return found


def scores(alpha: Tensor, truth: Tensor, trimap: Tensor) -> list[float]:
    """SAD, MSE, GRAD and CONN of 8-bit alphas, as on Composition-1k."""
    unknown = trimap == UNKNOWN
    given, wanted = ((one * 255).round() / 255 for one in (impose(alpha, trimap), truth))
    return [
        float(sad(given, wanted)),
        float(alpha_mse(given, wanted, unknown)),
        float(gradient_error(given, wanted, unknown)),
        float(connectivity_error(given, wanted, unknown)),
    ]


def quality() -> dict[str, object]:
    """Both ways on every sample."""
    import finesight

    network = finesight.load("finesight-matte").network
    ways: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"closed form": closed_form_alpha, "finesight-matte": network}
    table: dict[str, list[list[float]]] = {name: [] for name in ways}
    kinds = []
    for kind, image, trimap, truth in samples():
        kinds.append(kind)
        for name, way in ways.items():
            with torch.no_grad():
                table[name].append(scores(way(image, trimap), truth, trimap))
    print("| kind | SAD closed form | SAD ours | GRAD closed form | GRAD ours |\n| --- | --- | --- | --- | --- |")
    for kind in KINDS:
        chosen = [place for place, one in enumerate(kinds) if one == kind]
        means = [np.mean([table[name][place] for place in chosen], axis=0) for name in ways]
        print(f"| {kind} | {means[0][0]:.3f} | {means[1][0]:.3f} | {means[0][2]:.3f} | {means[1][2]:.3f} |")
    result: dict[str, object] = {}
    print("\n| | SAD | MSE | GRAD | CONN |\n| --- | --- | --- | --- | --- |")
    for name, rows in table.items():
        mean = np.mean(rows, axis=0)
        print(f"| {name} | {mean[0]:.3f} | {mean[1]:.4f} | {mean[2]:.3f} | {mean[3]:.3f} |")
        result[name] = dict(zip(("sad", "mse", "grad", "conn"), map(float, mean), strict=True))
    return result


def connectivity() -> dict[str, object]:
    """The same alpha by both ways; the labelling is scikit-image's, with sizes by counting labels."""
    from skimage import measure

    random = np.random.default_rng(0)
    truth = drawn_alpha(random, 1024, "hair")[:768]
    guess = np.clip(truth + 0.1 * random.standard_normal(truth.shape) * ((truth > 0) & (truth < 1)), 0, 1)
    first, second = (((one * 255).round() / 255).astype(np.float32) for one in (truth, guess))
    unknown = F.max_pool2d(torch.from_numpy((truth > 0) & (truth < 1))[None, None].float(), 41, 1, 20) > 0

    def labelling() -> float:
        level = np.full(first.shape, -1, np.float32)
        for index in range(1, 11):
            labels = measure.label(((first >= index * 0.1) & (second >= index * 0.1)).astype(np.uint8), connectivity=1)
            counts = np.bincount(labels.ravel())
            counts[0] = 0
            level[(level < 0) & (labels != counts.argmax() if counts.max() else True)] = (index - 1) * 0.1
        level[level < 0] = 1
        firm = [1 - np.where(one - level >= 0.15, one - level, 0) for one in (first, second)]
        return float(np.abs(firm[0] - firm[1])[unknown[0, 0].numpy()].sum(dtype=np.float64)) / 1000

    def ours() -> float:
        planes = (torch.from_numpy(one)[None, None] for one in (second, first))
        return float(connectivity_error(*planes, unknown))

    seconds = compared({"labelling every threshold": labelling, "ours": ours})
    print(f"values: {labelling():.6f} and {ours():.6f}")
    return seconds


def compared(ways: dict[str, Callable[[], object]], rounds: int = 15) -> dict[str, object]:
    """Best seconds of processor time of each, alternating."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            way()
            best[name] = min(best[name], time.process_time() - began)
    first = next(iter(best.values()))
    for name, seconds in best.items():
        print(f"| {name} | {seconds * 1000:.1f} ms | {first / seconds:.1f} times |")
    return dict(best)


def unfolded(module: GuidedContextualAttention, guidance: Tensor, features: Tensor, unknown: Tensor) -> Tensor:
    """The attention as it is published: patches unfolded, compared by a convolution, pasted by a transposed one."""
    likeness, places = module.guidance_conv(guidance)[..., ::2, ::2], unknown[..., ::2, ::2]
    channels, height, width = likeness.shape[1:]
    count = height * width
    patches = F.unfold(F.pad(likeness, (1, 1, 1, 1), mode="reflect"), 3)[0].T.reshape(count, channels, 3, 3)
    norms = patches.flatten(1).norm(dim=1).clamp(min=1e-4).view(-1, 1, 1, 1)
    pairs = F.conv2d(F.pad(likeness, (1, 1, 1, 1), mode="reflect"), patches / norms)
    mean = places.mean()
    scales = [(odds**0.5).clamp(0.1, 10) for odds in (mean / (1 - mean), (1 - mean) / mean)]
    share = F.unfold(F.pad(places, (1, 1, 1, 1), mode="reflect"), 3)[0].mean(0)
    pairs = pairs * torch.where(share > 0, scales[0], scales[1]).view(1, -1, 1, 1)
    itself = torch.eye(count).view(1, count, height, width) * share.view(1, -1, 1, 1)
    weights = (pairs - 1e4 * itself).softmax(1)
    pasted = F.unfold(F.pad(features, (1, 1, 1, 1), mode="reflect"), 4, stride=2)[0].T
    filters = pasted.reshape(count, features.shape[1], 4, 4)
    mixed = F.conv_transpose2d(weights, filters, stride=2, padding=1) / 4
    found: Tensor = module.out_conv(mixed) + features
    return found


def attention(side: int = 1024) -> dict[str, object]:
    """One guided attention at an eighth of ``side``, both ways: equal, and how fast and large."""
    generator = torch.Generator().manual_seed(0)
    module = GuidedContextualAttention(128, chunk=2**19).eval()  # the chunk of Gca
    torch.nn.init.ones_(module.out_conv[1].weight)  # type: ignore[arg-type]  # a normalisation with weights
    guidance, features = (torch.randn(1, 128, side // 8, side // 8, generator=generator) for _ in range(2))
    unknown = (torch.rand(1, 1, side // 8, side // 8, generator=generator) > 0.7).float()
    with torch.no_grad():
        ways = {
            "unfolded patches": lambda: unfolded(module, guidance, features, unknown),
            "ours": lambda: module(guidance, features, unknown),
        }
        apart = float((ways["unfolded patches"]() - ways["ours"]()).abs().max())
        print(f"largest difference {apart:.1e}")
        seconds = compared(ways, rounds=3)
        memory = {name: measure_peak(way, torch.device("cpu")) for name, way in ways.items()}
    for name, taken in memory.items():
        print(f"| {name} | {taken / 1e6:.0f} MB | {memory['unfolded patches'] / taken:.1f} times less |")
    return {"seconds": seconds, "bytes": memory}


def main() -> int:
    """Run what is asked for."""
    ways = {"quality": quality, "connectivity": connectivity, "attention": attention}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help=f"{', '.join(ways)}; by default all")
    names = parser.parse_args().what or list(ways)
    if unknown := [name for name in names if name not in ways]:
        parser.error(f"{unknown[0]} is none of {', '.join(ways)}")
    for name in names:
        print(f"\n## {name}\n")
        (HERE / "results" / f"matting_{name}.json").write_text(json.dumps(ways[name](), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
