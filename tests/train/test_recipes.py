"""Every recipe is read, its network built, and stepped twice on tiny data with a small network of the same kind."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from finesight.data.drawn import drawn_picture
from finesight.data.matting_drawn import drawn_alpha
from finesight.data.pack import pack_folder
from finesight.models.quality.vgg import Vgg, vgg_layers
from finesight.models.table import network_class
from finesight.train.loops import loop_for
from finesight.train.recipe import Recipe, read_recipe, with_settings
from finesight.train.start import fresh
from finesight.zoo import catalog
from finesight.zoo.building import skeleton
from finesight.zoo.saving import save
from tests.conftest import ROOT
from tests.models.tiny import TINY

RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
KEPT = {
    "scale",
    "activation_after_shuffle",
    "dropout",
    "frames",
    "refine",
    "both",
    "attention",
    "trimap_channels",
}  # arguments that a small network shares with the real


def pictures(folder: Path, count: int, side: int) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(drawn_picture(np.random.default_rng(number), side)).save(folder / f"{number}.png")
    return folder


def compositions(root: Path) -> None:
    """Two foregrounds on two backgrounds in the layout of Composition-1k; pictures are composed when needed."""
    pictures(root / "fg", 2, 80)
    pictures(root / "bg", 2, 60)
    (root / "alpha").mkdir()
    for number in range(2):
        alpha = drawn_alpha(np.random.default_rng(number), 80, "hair") * 255
        Image.fromarray(alpha.round().astype(np.uint8)).save(root / "alpha" / f"{number}.png")
    paths = [{f"{kind}_path": f"{kind}/{number}.png" for kind in ("fg", "bg", "alpha")} for number in range(2)]
    (root / "training_list.json").write_text(json.dumps(paths))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack, folders of pictures, faces and landmarks, and weights of fixed networks."""
    top = tmp_path_factory.mktemp("recipes")
    pack_folder(pictures(top / "photos", 4, 280), top / "small.pack", side=96, limit=600_000, drawn=0.3)
    pictures(top / "faces", 3, 128)
    points = [[float(40 + x), float(60 + y)] for y in range(0, 170, 10) for x in range(0, 160, 40)]
    (top / "landmarks.json").write_text(json.dumps({f"{number}.png": points for number in range(3)}))
    pictures(top / "references", 3, 32)
    compositions(top / "compositions")
    pictures(top / "whole", 3, 128)
    for number in range(2):
        still = drawn_picture(np.random.default_rng(number), 144)
        (top / "clips" / str(number)).mkdir(parents=True)
        for frame in range(7):
            moved = Image.fromarray(np.roll(still, 2 * frame, axis=1))
            moved.save(top / "clips" / str(number) / f"{frame}.png")
    for depth in (16, 19):
        vgg = Vgg(depth, layers=["conv1_2"])  # type: ignore[arg-type]
        save(
            top / f"vgg{depth}.safetensors", vgg, architecture="vgg", arguments={"depth": depth, "layers": ["conv1_2"]}
        )
    faces = {"size": 128, "width": 8}
    network = fresh("light-cnn-features", faces, seed=1)
    save(top / "light.safetensors", network, architecture="light-cnn-features", arguments=faces)
    return top


def clip_frames(network: dict[str, Any]) -> int | None:
    """As many frames as a window takes; a few for recurrent networks."""
    traits: Any = TINY[network["architecture"]].build(network["architecture"]).traits
    return 2 if traits.kind == "recurrent" else None


def small_masks(masks: dict[str, Any], side: int) -> dict[str, Any]:
    """Boxes that fit into pictures of ``side``; strokes in place of files."""
    if masks["kind"] == "files":
        return {"kind": "strokes"}
    if masks["kind"] == "box":
        return masks | {"height": side // 4, "width": side // 4, "margin": side // 8, "delta": 4}
    return masks


def tiny_data(place: Path, data: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The recipe's data with everything that is a place or a size made small."""
    whole, pack = str(place / "whole"), str(place / "small.pack")
    scale = settings["network"]["arguments"].get("scale", 1)
    judge = settings["discriminator"] or {}
    wanted = 128 if judge.get("architecture") == "modified-vgg" else 32  # that one takes pictures of 128 only
    side = settings["network"]["arguments"].get("in_size") or max(8, wanted // scale)
    folder = {"folder": whole, "validation": None, "held_out": 3, "block": None, "patch": side}
    hole_side = int(TINY[judge["architecture"]].arguments.get("size", 64)) if judge else 64
    tiny: dict[str, Callable[[], dict[str, Any]]] = {
        "pack": lambda: {"pack": pack, "patch": 8},
        "folder": lambda: folder,
        "scales": lambda: {"folder": whole, "validation": None, "held_out": 3, "patch": 8, "queries": 20},
        "reference": lambda: {
            "inputs": str(place / "references"),
            "references": str(place / "references"),
            "validation_inputs": None,
            "validation_references": None,
        },
        "faces": lambda: {
            "folder": str(place / "faces"),
            "landmarks": str(place / "landmarks.json"),
            "validation": None,
            "held_out": 3,
        },
        "inpainting": lambda: {
            "pictures": pack,
            "size": hole_side,
            "crop": data["crop"] and hole_side + 16,
            "masks": [small_masks(masks, hole_side) for masks in data["masks"]],
        },
        "matting": lambda: {"pack": pack, "patch": 64, "alphas": 3, "held_out": 2, "widest": 6},
        "composition": lambda: {
            "root": str(place / "compositions"),
            "validation": None,
            "backgrounds": None,
            "patch": 64,
        },
        "clips": lambda: {
            "folder": str(place / "clips"),
            "layout": "folders",
            "split": "all",
            "low": None,
            "held_out": 2,
            "frames": data.get("frames") if data.get("inputs") else clip_frames(settings["network"]),
            "patch": 32 if data["lower"] == "real-basicvsr" else 16,
            "validation_side": 16,
        },
        "moving": lambda: {"pack": pack, "film": None, "frames": 3, "patch": 32, "speed": 2.0},
    }
    kind = data.get("kind", "pack")
    assert kind in tiny, f"tests/train/test_recipes.py has no tiny data of kind {kind}: add some to tiny_data"
    return data | tiny[kind]() | {"batch": 2}


def tiny_network(part: dict[str, Any], **sizes: Any) -> dict[str, Any]:
    own = {name: value for name, value in part["arguments"].items() if name in KEPT}
    return part | {"arguments": {**TINY[part["architecture"]].arguments, **own, **sizes}, "start_from": None}


def small(recipe: Recipe, place: Path) -> Recipe:
    """The same run, small: the same kinds of data, losses, optimizers and discriminator."""
    content = recipe.model_dump(mode="json")
    arguments = content["network"]["arguments"]
    sizes = {}
    if "in_size" in arguments:
        sizes = {"in_size": 8, "out_size": 8 * arguments["out_size"] // arguments["in_size"]}
    content["network"] = tiny_network(content["network"], **sizes)
    content["workers"] = 0
    content["data"] = tiny_data(place, content["data"], content)
    for loss in content["loss"]:
        loss["from_step"] = 0
        if "layers" in loss:
            loss |= {"weights": str(place / f"{loss['weights'][:5]}.safetensors"), "layers": {"conv1_2": 1.0}}
        if loss["kind"] == "identity":
            loss["weights"] = str(place / "light.safetensors")
    if content["discriminator"]:
        judge = content["discriminator"]
        own = {
            "stylegan2-discriminator": {"size": sizes.get("out_size", 64)},
            "ttsr-discriminator": {"size": 32},
            "light-cnn": {"size": 128},
        }
        content["discriminator"] = tiny_network(judge, **own.get(judge["architecture"], {})) | {"from_step": 0}
    return with_settings(content)


@pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])
def test_every_recipe_is_built_and_stepped_twice(path: Path, place: Path, tmp_path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    for part in (recipe.network, recipe.discriminator):
        if part is not None:
            skeleton(network_class(str(part.architecture)), part.arguments)
    run = small(recipe, place)
    assert loop_for(run)(run, tmp_path, stop_after=2) is None
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert (state["step"], state["bad"]) == (2, 0)
    assert all(torch.isfinite(one).all() for one in state["average"].values() if one.is_floating_point())


@pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])
def test_names_in_recipes_are_known(path: Path) -> None:
    """What a recipe starts from is in the catalog, or the result of another recipe; layers exist."""
    recipe = read_recipe(path)
    given = recipe.network.start_from
    wanted = list(given.values()) if isinstance(given, dict) else [given] if given else []
    if recipe.discriminator is not None and recipe.discriminator.start_from:
        wanted.append(recipe.discriminator.start_from)
    for loss in recipe.loss:
        weights, layers = getattr(loss, "weights", None), getattr(loss, "layers", None)
        wanted += [weights] if weights else []
        assert not layers or set(layers) <= set(vgg_layers(int(weights[3:5])))
    names = {other.stem for other in RECIPES}
    for one in wanted:
        assert one in catalog() or (one.startswith("runs/") and Path(one).stem in names), one


@pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])
def test_rates_reach_their_end(path: Path) -> None:
    """Milestones and periods lie within the run, warm-up too."""
    recipe = read_recipe(path)
    for settings in [recipe.optimizer, *([recipe.discriminator.optimizer] if recipe.discriminator else [])]:
        milestones = getattr(settings.schedule, "milestones", ())
        assert all(one <= recipe.steps for one in milestones)
        assert list(milestones) == sorted(milestones)
        assert sum(getattr(settings.schedule, "periods", ())) >= getattr(settings.schedule, "periods", (0,))[0]
        assert settings.warmup < recipe.steps
        assert math.isfinite(settings.learning_rate)
