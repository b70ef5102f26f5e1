"""Engines agree, are chosen by measurement, and fail without harm."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import MissingExtraError, SettingError
from finesight.media import from_array
from finesight.nn.traits import Traits
from finesight.run import Upscaler, select
from finesight.run.cache import engine_folder, fingerprint, read_json, store, write_json
from finesight.run.engines import Prepared
from finesight.run.engines.torch import TorchNetwork
from finesight.run.precision import LARGEST_ERROR, lower, native, root_mean_square
from finesight.run.select import Choice, candidates, choose
from tests.run.networks import Plain, Shuffled, model_of

CPU = torch.device("cpu")
NOISE = np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)


def image(height: int = 33, width: int = 41) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


class Skipping(nn.Module):
    """A head, two inner layers, a tail, and a global skip of the image through a layer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 16, 3, padding=1)
        self.inner = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.PReLU(16), nn.Conv2d(16, 16, 3, padding=1))
        self.skip = nn.Conv2d(3, 12, 1)
        self.tail = nn.Conv2d(16, 12, 3, padding=1)
        self.traits = Traits(task="super-resolution", scale=2, halo=4)
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
            self.skip.weight.zero_()
            self.skip.bias.zero_()  # type: ignore[union-attr]
            for channel in range(12):
                self.skip.weight[channel, channel // 4] = 1.0

    def forward(self, image: Tensor) -> Tensor:
        padded = F.pad(F.pad(image, (1, 1, 1, 1), mode="replicate"), (-1, -1, -1, -1))
        return F.pixel_shuffle(self.skip(padded) + self.tail(self.inner(self.head(image))), 2)


class TestPrecision:
    def test_the_ends_stay_exact(self) -> None:
        network = lower(TorchNetwork(Skipping(), CPU).network, torch.bfloat16)
        kinds = {name: p.dtype for name, p in network.named_parameters() if name.endswith("weight")}
        assert kinds.pop("inner.1.weight") == torch.bfloat16
        assert kinds == {
            "head.weight": torch.float32,
            "inner.0.weight": torch.bfloat16,
            "inner.2.weight": torch.bfloat16,
            "skip.weight": torch.float32,
            "tail.weight": torch.float32,
        }
        assert network(image()).dtype == torch.float32

    def test_a_global_skip_is_not_rounded(self) -> None:
        network = Skipping()
        with torch.no_grad():
            for layer in (network.tail.weight, network.tail.bias):
                layer.zero_()  # type: ignore[union-attr]
        answer = TorchNetwork(network, CPU, precision="bfloat16")(image())
        torch.testing.assert_close(answer, network(image()), rtol=0, atol=1e-6)

    def test_lower_is_close_but_not_equal(self) -> None:
        plain, low = TorchNetwork(Skipping(), CPU), TorchNetwork(Skipping(), CPU, precision="bfloat16")
        difference = root_mean_square(low(image()), plain(image()))
        assert 0 < difference < LARGEST_ERROR

    def test_the_given_network_stays_as_it_is(self) -> None:
        network = Skipping().train()
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        TorchNetwork(network, CPU, precision="bfloat16", channels_last=True)(image())
        assert network.training
        assert all(p.dtype == torch.float32 and p.requires_grad for p in network.parameters())
        assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())

    def test_deep_pictures_are_not_rounded_by_themselves(self) -> None:
        _, report = Upscaler(model_of(Skipping()), device="cpu")(from_array(NOISE.astype(np.uint16) * 257))
        assert report.precision == "float32"

    def test_what_is_native_is_known(self) -> None:
        assert set(native(CPU)) <= {"bfloat16"}

    def test_error_is_in_grey_levels(self) -> None:
        assert root_mean_square(
            torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), 0.5 + 2 / 255)
        ) == pytest.approx(2)
        assert root_mean_square(torch.full((4,), 7.0), torch.ones(4)) == 0  # what is clipped is not seen


class TestOpenVino:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("openvino", reason="the extra 'fast' is not installed")

    def prepared(self, network: nn.Module, precision: str = "float32") -> Prepared:
        from finesight.run.engines.openvino import OpenVinoNetwork

        return OpenVinoNetwork(network, precision=precision)

    @pytest.mark.parametrize(
        "network", [Plain(depth=3, scale=4), Skipping(), Shuffled(scale=2)], ids=["plain", "skip", "odd"]
    )
    def test_it_agrees_on_any_size(self, network: nn.Module) -> None:
        prepared = self.prepared(network)
        for height, width in ((33, 41), (8, 90), (24, 24), (33, 41)):
            given = image(height, width)
            before = given.clone()
            torch.testing.assert_close(prepared(given), TorchNetwork(network, CPU)(given), rtol=0, atol=1e-5)
            assert torch.equal(given, before)

    def test_answers_do_not_share_memory(self) -> None:
        prepared = self.prepared(Skipping())
        first = prepared(image())
        kept = first.clone()
        prepared(1 - image())
        assert torch.equal(first, kept)

    def test_lower_precision_keeps_the_ends_exact(self) -> None:
        if "bfloat16" not in native(CPU):
            pytest.skip("this processor has no bfloat16")
        network = Skipping()
        with torch.no_grad():
            for layer in (network.tail.weight, network.tail.bias):
                layer.zero_()  # type: ignore[union-attr]
        answer = self.prepared(network, "bfloat16")(image())
        torch.testing.assert_close(answer, network(image()), rtol=0, atol=1e-6)
        difference = root_mean_square(self.prepared(Skipping(), "bfloat16")(image()), Skipping()(image()))
        assert 0 < difference < LARGEST_ERROR

    def test_the_graph_is_kept_and_a_damaged_one_made_again(self, own_cache: Path) -> None:
        network = Skipping()
        assert self.prepared(network).note == ""
        folders = list((own_cache / "engines").iterdir())
        assert len(folders) == 1
        written = (folders[0] / "graph.xml").stat().st_mtime_ns
        assert self.prepared(network).note == ""
        assert (folders[0] / "graph.xml").stat().st_mtime_ns == written
        for damage in (b"", b"<net", b"\0" * 100):
            (folders[0] / "graph.xml").write_bytes(damage)
            prepared = self.prepared(network)
            assert "damaged" in prepared.note
            torch.testing.assert_close(prepared(image()), network(image()), rtol=0, atol=1e-5)
        (folders[0] / "graph.bin").unlink()
        torch.testing.assert_close(self.prepared(network)(image()), network(image()), rtol=0, atol=1e-5)
        assert self.prepared(network).note == ""

    def test_other_weights_are_another_graph(self, own_cache: Path) -> None:
        self.prepared(Plain(seed=1))
        self.prepared(Plain(seed=2))
        assert len(list((own_cache / "engines").iterdir())) == 2

    @pytest.mark.skipif(os.name == "nt", reason="permissions of folders")
    def test_a_folder_that_cannot_be_written_does_no_harm(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blocked = tmp_path / "file"
        blocked.write_text("not a folder")
        monkeypatch.setenv("FINESIGHT_CACHE", str(blocked))
        network = Skipping()
        torch.testing.assert_close(self.prepared(network)(image()), network(image()), rtol=0, atol=1e-5)

    def test_the_whole_way(self) -> None:
        result, report = Upscaler(
            model_of(Plain()), device="cpu", engine="openvino", precision="float32", tile=20, exact=True
        )(from_array(NOISE))
        plain, _ = Upscaler(model_of(Plain()), device="cpu", engine="torch", precision="float32")(from_array(NOISE))
        assert report.engine == "openvino"
        assert report.tiles > 4
        assert np.abs(result.pixels.astype(int) - plain.pixels).max() <= 1

    def test_a_network_that_it_cannot_run_falls_back_and_says_so_once(self) -> None:
        class Foreign(Plain):
            def forward(self, image: Tensor) -> Tensor:
                return super().forward(image) + 0 * torch.special.bessel_j0(image).mean()

        upscaler = Upscaler(model_of(Foreign()), device="cpu", engine="openvino", precision="float32")
        _, report = upscaler(from_array(NOISE))
        assert report.engine == "torch"
        assert sum("cannot run this network" in note for note in report.notes) == 1


class TestOnnxRuntime:
    def test_it_agrees_on_any_size_and_keeps_its_graph(self, own_cache: Path) -> None:
        pytest.importorskip("onnxruntime", reason="the extra 'fast' is not installed")
        pytest.importorskip("onnxscript", reason="the extra 'fast' is not installed")
        from finesight.run.engines.onnxruntime import OnnxNetwork

        network = Skipping()
        prepared: Prepared = OnnxNetwork(network)
        for given in (image(), image(8, 90), image(24, 24).repeat(3, 1, 1, 1)):
            torch.testing.assert_close(prepared(given), TorchNetwork(network, CPU)(given), rtol=0, atol=1e-5)
        (folder,) = (own_cache / "engines").iterdir()
        written = (folder / "graph.onnx").stat().st_mtime_ns
        assert OnnxNetwork(network).note == ""
        assert (folder / "graph.onnx").stat().st_mtime_ns == written
        (folder / "graph.onnx").write_bytes(b"damaged")
        prepared = OnnxNetwork(network)
        assert "damaged" in prepared.note
        torch.testing.assert_close(prepared(image()), network(image()), rtol=0, atol=1e-5)

    def test_lower_precision_is_refused(self) -> None:
        from finesight.run.engines.onnxruntime import OnnxNetwork

        with pytest.raises(SettingError, match="float32 only"):
            OnnxNetwork(Skipping(), precision="bfloat16")


class TestCompile:
    def test_without_a_compiler_torch_does_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("finesight.run.engines.compile.shutil.which", lambda _: None)
        _, report = Upscaler(model_of(Plain()), device="cpu", engine="compile", precision="float32")(from_array(NOISE))
        assert report.engine == "torch"
        assert "C++ compiler" in report.notes[0]

    @pytest.mark.large
    def test_it_agrees(self) -> None:
        from finesight.run.engines.compile import CompiledNetwork

        network = Skipping()
        prepared = CompiledNetwork(network, CPU)
        for given in (image(), image(8, 90)):
            torch.testing.assert_close(prepared(given), TorchNetwork(network, CPU)(given), rtol=0, atol=1e-5)


class TestChoosing:
    @pytest.fixture
    def speeds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ways whose speed is known: seconds for each call. Nothing is really computed differently."""
        table = {
            Choice("torch", "float32"): 0.05,
            Choice("torch", "float32", channels_last=True): 0.02,
            Choice("torch", "bfloat16", channels_last=True): 0.01,
        }

        class Timed(TorchNetwork):
            def __init__(self, choice: Choice) -> None:
                super().__init__(Skipping(), CPU)
                self.choice, self.precision = choice, choice.precision

            def __call__(self, tiles: Tensor) -> Tensor:
                clock[0] += table[self.choice]
                return super().__call__(tiles) + offset[0] * (self.precision == "bfloat16")

        clock, offset = [0.0], [0.0]
        monkeypatch.setattr(select.time, "perf_counter", lambda: clock[0])
        monkeypatch.setattr(select, "candidates", lambda *_: list(table))
        monkeypatch.setattr(select, "prepare", lambda choice, *_: Timed(choice))
        self.offset = offset

    @pytest.mark.usefixtures("speeds")
    def test_the_fastest_is_taken_and_remembered(self, own_cache: Path) -> None:
        chosen = choose(Skipping(), CPU, NOISE, 10**8)
        assert (chosen.prepared.precision, chosen.why[:8]) == ("bfloat16", "measured")
        assert "5.0 times" in chosen.why
        again = choose(Skipping(), CPU, NOISE, 10)
        assert again.why.startswith("measured earlier: 5.0 times")
        assert again.prepared.precision == "bfloat16"
        assert len(list((own_cache / "engines").iterdir())) == 1

    @pytest.mark.usefixtures("speeds")
    def test_what_differs_too_much_is_not_taken(self) -> None:
        self.offset[0] = 2 / 255
        chosen = choose(Skipping(), CPU, NOISE, 10**8)
        assert chosen.prepared.precision == "float32"
        assert "2.5 times" in chosen.why

    @pytest.mark.usefixtures("speeds")
    def test_a_later_picture_is_looked_at_again(self) -> None:
        choose(Skipping(), CPU, NOISE, 10**8)
        self.offset[0] = 1 / 255
        chosen = choose(Skipping(), CPU, NOISE, 10**8)
        assert chosen.prepared.precision == "float32"
        assert "would differ by" in chosen.why

    @pytest.mark.usefixtures("speeds")
    def test_a_small_job_is_not_measured(self, own_cache: Path) -> None:
        chosen = choose(Skipping(), CPU, NOISE, 1000)
        assert chosen.why.startswith("too small a job")
        (file,) = (own_cache / "engines").iterdir()
        found = json.loads(file.read_text())
        assert found["speeds"] == {}
        assert list(found["bytes"].values()) == [chosen.per_pixel]

    @pytest.mark.usefixtures("speeds")
    def test_a_damaged_or_foreign_notebook_is_measured_anew(self, own_cache: Path) -> None:
        choose(Skipping(), CPU, NOISE, 10**8)
        (file,) = (own_cache / "engines").iterdir()
        found = json.loads(file.read_text())
        for content in (
            "",
            "[]",
            "{}",
            json.dumps({**found, "speeds": {"torch float32": 3}}),
            json.dumps({**found, "versions": {}}),
        ):
            file.write_text(content)
            assert choose(Skipping(), CPU, NOISE, 10**8).why.startswith("measured: ")

    def test_settings_narrow_the_candidates(self) -> None:
        assert {c.engine for c in candidates(Plain(), CPU, "torch", "auto")} == {"torch"}
        assert {c.precision for c in candidates(Plain(), CPU, "auto", "float32")} == {"float32"}
        assert candidates(Plain(), CPU, "openvino", "float32") == [Choice("openvino", "float32")]
        with pytest.raises(SettingError, match="CPU only"):
            candidates(Plain(), torch.device("cuda"), "openvino", "auto")

    @pytest.mark.parametrize(("name", "value"), [("engine", "tensorrt"), ("precision", "int8")])
    def test_unknown_settings(self, name: str, value: str) -> None:
        with pytest.raises(SettingError, match=f"{name}: expected one of"):
            Upscaler(model_of(Plain()), **{name: value})  # type: ignore[arg-type]

    def test_an_engine_that_is_missing_names_its_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import finesight.run.engines.openvino as module

        def missing(*_: object, **__: object) -> None:
            raise MissingExtraError("openvino is needed for the engine openvino. Run: pip install 'finesight[fast]'")

        monkeypatch.setattr(module, "need", missing)
        with pytest.raises(MissingExtraError, match=r"finesight\[fast\]"):
            Upscaler(model_of(Plain()), device="cpu", engine="openvino", precision="float32")(from_array(NOISE))

    @pytest.mark.usefixtures("speeds")
    def test_many_small_pictures_become_worth_measuring(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("finesight.run.work.PROBE_WORTH", 5 * 40 * 52)
        monkeypatch.setattr(select, "PROBE_WORTH", 5 * 40 * 52)
        upscaler = Upscaler(model_of(Skipping(), "skipping"), device="cpu")
        reasons = [upscaler(from_array(NOISE))[1].why for _ in range(7)]
        assert [why.split(":")[0] for why in reasons[3:]] == [reasons[0], "measured", "measured", "measured"]


class TestCache:
    def test_fingerprints_tell_networks_apart(self) -> None:
        assert fingerprint(Plain(seed=1)) == fingerprint(Plain(seed=1))
        assert len({fingerprint(n) for n in (Plain(seed=1), Plain(seed=2), Plain(scale=3), Skipping())}) == 4

    def test_json_is_whole_or_not_there(self, tmp_path: Path) -> None:
        assert write_json(tmp_path / "a" / "b.json", {"x": 1})
        assert read_json(tmp_path / "a" / "b.json") == {"x": 1}
        assert read_json(tmp_path / "missing.json") is None
        (tmp_path / "bad.json").write_bytes(b"\xff{")
        assert read_json(tmp_path / "bad.json") is None
        assert not write_json(tmp_path / "bad.json" / "c.json", {})
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "bad.json"]

    def test_a_folder_is_stored_once(self, tmp_path: Path) -> None:
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "x").write_text("1")
        assert store(tmp_path / "made", tmp_path / "cache" / "graph")
        assert (tmp_path / "cache" / "graph" / "x").read_text() == "1"
        assert not store(tmp_path / "made", tmp_path / "cache" / "graph")
        assert [p.name for p in (tmp_path / "cache").iterdir()] == ["graph"]

    def test_the_folder_follows_the_environment(self, own_cache: Path) -> None:
        assert engine_folder() == own_cache / "engines"


class Slow(nn.Module):
    """Takes a known time for each pixel, more for the first tile, and says where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.traits = Traits(task="super-resolution", scale=2, halo=0)
        self.first = True

    def forward(self, image: Tensor) -> Tensor:
        time.sleep(image.shape[2] * image.shape[3] * 2e-5 + 0.05 * self.first)
        self.first = False
        return F.interpolate(image, scale_factor=2, mode="nearest")


class TestEstimate:
    def test_it_tells_the_plan_and_memory(self) -> None:
        picture = from_array(NOISE)
        upscaler = Upscaler(model_of(Plain(), "plain-x2"), device="cpu", tile=20, exact=True, engine="torch")
        found = upscaler.estimate(picture, 3)
        _, report = upscaler(picture, 3)
        assert (found.width, found.height) == (156, 120)
        assert found.models == report.models
        assert found.tiles == report.tiles
        assert found.exact
        assert found.seconds > 0
        assert found.memory > 10**7
        assert found.as_dict()["engine"] == "torch"

    @pytest.mark.parametrize(("height", "width", "scale"), [(60, 60, 2), (100, 150, 2), (50, 70, 4)])
    def test_time_is_within_30_percent(self, height: int, width: int, scale: int) -> None:
        picture = from_array(np.zeros((height, width, 3), np.uint8))
        Slow()(torch.zeros(1, 3, 8, 8))  # torch's own first convolution
        found = Upscaler(model_of(Slow()), device="cpu", engine="torch", precision="float32", tile=50).estimate(
            picture, scale
        )
        began = time.perf_counter()
        Upscaler(model_of(Slow()), device="cpu", engine="torch", precision="float32", tile=50)(picture, scale)
        assert found.seconds == pytest.approx(time.perf_counter() - began, rel=0.3)
