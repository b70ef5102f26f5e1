"""Reading published files: every format, everything that frameworks leave in them, and nothing is ever executed."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from finesight.errors import ModelError
from finesight.zoo.checkpoint import read
from tests.zoo.layouts import absent_framework, framework_extras, write_tar

WEIGHTS = {
    "first.weight": torch.arange(24, dtype=torch.float32).reshape(2, 3, 2, 2),
    "first.bias": torch.tensor([0.5, -2.0]),
    "half": torch.tensor([1.5], dtype=torch.float16),
    "brain": torch.tensor([2.5], dtype=torch.bfloat16),
    "norm.num_batches_tracked": torch.tensor(7),
    "flag": torch.tensor([True, False]),
    "empty": torch.zeros(0, 3),
    "turned": torch.arange(6.0).reshape(2, 3).t(),
}
FORMATS = [pytest.param(True, id="zip"), pytest.param(False, id="plain")]


def assert_weights(found: dict[str, torch.Tensor]) -> None:
    assert found.keys() == WEIGHTS.keys()
    for name, tensor in WEIGHTS.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("modern", FORMATS)
def test_both_formats_of_torch(tmp_path: Path, modern: bool) -> None:
    torch.save(WEIGHTS, tmp_path / "w.pth", _use_new_zipfile_serialization=modern)
    assert_weights(read(tmp_path / "w.pth").tensors)


@pytest.mark.parametrize("modern", FORMATS)
def test_framework_objects_do_not_hinder(tmp_path: Path, modern: bool) -> None:
    with absent_framework() as classes:
        content = {
            "state_dict": WEIGHTS,
            **framework_extras(classes),
            "optimizer": {"state": {0: {"m": torch.ones(3)}}},
        }
        torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=modern)
    with pytest.raises(Exception, match=r"absentframework|[Ww]eights.only"):
        torch.load(tmp_path / "w.pth", weights_only=True)
    assert_weights(read(tmp_path / "w.pth").tensors)


@pytest.mark.parametrize("modern", FORMATS)
def test_shared_storages_and_parameters(tmp_path: Path, modern: bool) -> None:
    whole = torch.arange(10.0)
    with absent_framework() as classes:
        content = {"state_dict": {"a": nn.Parameter(whole[2:5]), "b": whole[5:]}, "hook": classes["Hook"]()}
        torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=modern)
    found = read(tmp_path / "w.pth").tensors
    assert found["a"].tolist() == [2, 3, 4]
    assert found["b"].tolist() == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("modern", FORMATS)
def test_a_module_pickled_whole_gives_its_tensors(tmp_path: Path, modern: bool) -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    torch.save(network, tmp_path / "w.pth", _use_new_zipfile_serialization=modern)
    found = read(tmp_path / "w.pth").tensors
    assert set(found) == set(network.state_dict())
    assert all(torch.equal(found[name], tensor) for name, tensor in network.state_dict().items())


def test_the_first_format_of_torch(tmp_path: Path) -> None:
    weights = {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor([4])}
    write_tar(tmp_path / "w.pth.tar", {"state_dict": {"w": "@w", "n": "@n"}, "epoch": 3}, weights)
    found = read(tmp_path / "w.pth.tar").tensors
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())


def test_numpy_archives(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.arange(3, dtype=np.float32), b=np.ones((2, 2)))
    assert read(tmp_path / "w.npz").tensors["a"].tolist() == [0, 1, 2]
    np.savez(tmp_path / "o.npz", a=np.array([Shell()], dtype=object))
    with pytest.raises(ModelError, match=r"NumPy archive of plain numbers"):
        read(tmp_path / "o.npz")


def test_numpy_values_inside_a_pickle(tmp_path: Path) -> None:
    content = {
        "state_dict": {"a": np.arange(6, dtype=">i4").reshape(2, 3), "f": np.asfortranarray(np.eye(3)[:, :2])},
        "best": np.float64(2),
    }
    torch.save(content, tmp_path / "w.pth")
    found = read(tmp_path / "w.pth").tensors
    assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["f"].tolist() == np.eye(3)[:, :2].tolist()


TENSORS = {1.0: torch.tensor([1.0]), 2.0: torch.tensor([2.0])}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"params": {"x": 1.0}, "params_ema": {"x": 2.0}}, 2.0),
        ({"state_dict": {"x": 1.0}, "ema": {"x": 2.0}}, 2.0),
        ({"model": {"name": "liif", "args": {"a": "b"}, "sd": {"x": 2.0}}, "optimizer": {"x": 1.0}}, 2.0),
        ({"net_d": {"x": 1.0}, "net_g": {"x": 2.0}}, 2.0),
        ({"discriminator": {"x": 1.0, "y": 1.0}, "unheard_of": {"x": 2.0}}, 2.0),
        ({"x": 2.0}, 2.0),
    ],
    ids=str,
)
def test_the_dictionary_that_holds_the_weights(tmp_path: Path, content: dict[str, Any], expected: float) -> None:
    def tensors(value: Any) -> Any:
        return {k: tensors(v) for k, v in value.items()} if isinstance(value, dict) else TENSORS.get(value, value)

    torch.save(tensors(content), tmp_path / "w.pth")
    assert read(tmp_path / "w.pth").tensors["x"].item() == expected


class Shell:
    """Its pickle runs a command."""

    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


class Evaluate:
    def __reduce__(self) -> Any:
        return eval, ("__import__('os').system('touch executed')",)


class Process:
    def __reduce__(self) -> Any:
        return subprocess.Popen, (["touch", "executed"],)


class Attribute:
    """Reaches a function by ``getattr``."""

    def __reduce__(self) -> Any:
        return getattr, ("text", "upper")


class Nested:
    """Gives a state that is itself code."""

    def __reduce__(self) -> Any:
        return Holder, (), {"x": Shell()}


class Holder:
    def __setstate__(self, state: Any) -> None:
        Path("executed").touch()


class Hub:
    def __reduce__(self) -> Any:
        return torch.hub.load, ("owner/name", "net")


class Saved:
    """Loads another pickle."""

    def __reduce__(self) -> Any:
        return pickle.loads, (pickle.dumps(Shell()),)


HOSTILE = {
    "posix.system": Shell,
    "builtins.eval": Evaluate,
    "subprocess.Popen": Process,
    "builtins.getattr": Attribute,
    "posix.system ": Nested,
    "torch.hub.load": Hub,
    "pickle.loads": Saved,
}


@pytest.mark.parametrize("modern", FORMATS)
@pytest.mark.parametrize("name", HOSTILE)
def test_code_is_refused_and_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, modern: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": WEIGHTS, "evil": HOSTILE[name]()}, "evil.pth", _use_new_zipfile_serialization=modern)
    with pytest.raises(ModelError, match=rf"evil\.pth.*asks to call {name.strip()}.*nothing was executed"):
        read("evil.pth")
    assert not Path("executed").exists()


def test_code_in_the_first_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tar(tmp_path / "evil.tar", {"state_dict": {"w": "@w"}, "evil": Shell()}, {"w": torch.ones(1)})
    with pytest.raises(ModelError, match=r"asks to call posix\.system"):
        read("evil.tar")
    assert not Path("executed").exists()


def plain_file(program: bytes) -> bytes:
    """A plain file of torch whose third pickle is ``program``."""
    parts = [
        pickle.dumps(0x1950A86A20F9469CFC6C, 2),
        pickle.dumps(1001, 2),
        pickle.dumps({}, 2),
        program,
        pickle.dumps([], 2),
    ]
    return b"".join(parts)


PROGRAMS = {
    "a global through the memo": (b"\x80\x02cos\nsystem\nq\x000h\x00X\x01\x00\x00\x00a\x85R.", r"os\.system"),
    "an object of a function": (b"\x80\x02cos\nsystem\n(X\x01\x00\x00\x00atR.", r"os\.system"),
    "old style instances": (b"(S'touch executed'\nios\nsystem\n.", r"os\.system"),
    "new objects of a function": (b"\x80\x02cos\nsystem\n)\x81.", r"os\.system"),
    "a state for a function": (b"\x80\x02c_codecs\nencode\n}X\x08\x00\x00\x00__code__K\x01sb.", "no named tensors"),
    "extension codes": (b"\x80\x02\x82\x01.", "registered object"),
    "a name with dots": (b"\x80\x04\x8c\x08builtins\x8c\x0eobject.__new__\x93)R.", r"builtins\.object\.__new__"),
    "a dictionary that refers to itself": (b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.", "no named tensors"),
    "an enormous memo": (b"\x80\x02Nr\xff\xff\xff\xff.", "no named tensors"),
    "an enormous text": (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x0fabc.", "broken or cut off"),
    "an enormous frame": (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x0fN.", "broken or cut off"),
    "a scalar of objects": (
        b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00O8K\x00K\x01\x87RC\x08aaaaaaaa\x86R.",
        "no named tensors",
    ),
    "an enormous storage": (
        b"\x80\x02((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ\xff\xff\xff\x7fNtQt.",
        "claims a storage of 2147483647 values",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_hand_written_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    program, message = PROGRAMS[name]
    monkeypatch.chdir(tmp_path)
    Path("w.pth").write_bytes(plain_file(program))
    with pytest.raises(ModelError, match=message):
        read("w.pth")
    assert not Path("executed").exists()


def test_shared_lists_are_walked_once(tmp_path: Path) -> None:
    grown: list[Any] = []
    for _ in range(200):
        grown = [grown, grown]
    torch.save({"state_dict": {"x": torch.ones(1)}, "best": np.float64(1), "grown": grown}, tmp_path / "w.pth")
    assert read(tmp_path / "w.pth").tensors["x"].item() == 1


def rebuild_outside() -> Any:
    """A tensor that claims more than its storage."""

    class Outside:
        def __reduce__(self) -> Any:
            return torch._utils._rebuild_tensor_v2, (torch.ones(4).storage(), 2, (3,), (1,), False, {})

    return {"x": Outside()}


@pytest.mark.parametrize("modern", FORMATS)
@pytest.mark.filterwarnings("ignore:TypedStorage")
def test_a_tensor_outside_its_storage(tmp_path: Path, modern: bool) -> None:
    torch.save(rebuild_outside(), tmp_path / "w.pth", _use_new_zipfile_serialization=modern)
    with pytest.raises(ModelError, match=r"reaches outside its storage of 4 values"):
        read(tmp_path / "w.pth")


def torch_bytes(modern: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save({"state_dict": WEIGHTS | {"large": torch.zeros(2000)}}, buffer, _use_new_zipfile_serialization=modern)
    return buffer.getvalue()


def safetensors_bytes() -> bytes:
    from safetensors.torch import save

    return save({"x": torch.ones(50)})


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "page": (lambda: b"<!DOCTYPE html><html>Not found</html>", "web page"),
    "pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer"),
    "text": (lambda: b"hello, this is a text\n" * 40, "not a checkpoint"),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(600), "not a checkpoint"),
    "zeros": (lambda: bytes(2000), "not a checkpoint"),
    "cut zip": (lambda: torch_bytes(True)[:5000], "cut off"),
    "cut plain": (lambda: torch_bytes(False)[:-100], "cut off"),
    "cut plain early": (lambda: torch_bytes(False)[:300], "cut off"),
    "a plain pickle": (lambda: pickle.dumps([1, 2], 2), "not one that torch.save wrote"),
    "names that move the cursor": (
        lambda: plain_file(pickle.dumps({"\x1b[2J\nx" * 300: 1}, 2)),
        r"no named tensors, only: \[2J x \[2J x .*\.\.\.",
    ),
    "no tensors": (lambda: plain_file(pickle.dumps({"epoch": 1}, 2)), "no named tensors, only: epoch"),
    "enormous header": (lambda: struct.pack("<Q", 2**40) + b"{" + bytes(600), "not a checkpoint"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_explained_in_one_line(tmp_path: Path, name: str) -> None:
    make, message = BAD[name]
    file = tmp_path / "w.pth"
    file.write_bytes(make())
    with pytest.raises(ModelError, match=message) as caught:
        read(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [4, 40, -10])
def test_bad_safetensors(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(safetensors_bytes()[:cut])
    with pytest.raises(ModelError, match="safetensors"):
        read(file)


def test_a_safetensors_file_with_an_enormous_header(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(ModelError, match="safetensors"):
        read(file)


def test_compressed_members_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(torch_bytes(True))) as source:
        members = {name: source.read(name) for name in source.namelist()}
    with absent_framework() as classes:
        buffer = io.BytesIO()
        torch.save({"x": torch.zeros(1000), "h": classes["Hook"]()}, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as target:
        members = {name: source.read(name) for name in source.namelist()}
        for name, value in members.items():
            target.writestr(name, value)
    with pytest.raises(ModelError, match="compressed"):
        read(tmp_path / "w.pth")


def test_a_program_of_torchscript_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("w/data.pkl", pickle.dumps({}, 2))
        archive.writestr("w/code/__torch__.py", "x")
    with pytest.raises(ModelError, match=r"TorchScript|no named tensors"):
        read(tmp_path / "w.pt")


def test_reading_imports_nothing_named_in_the_file(tmp_path: Path) -> None:
    with absent_framework() as classes:
        torch.save({"x": torch.ones(1), "h": classes["Hook"]()}, tmp_path / "w.pth")
    (tmp_path / "absentframework").mkdir()
    (tmp_path / "absentframework" / "__init__.py").write_text("raise SystemExit('imported')")
    code = "import sys; from finesight.zoo.checkpoint import read; print(len(read(sys.argv[1]).tensors))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "w.pth")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.stdout.strip() == "1", done.stderr


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    modern=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=8),
    end=st.one_of(st.none(), st.integers(1, 1 << 16)),
)
def test_damaged_files_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, modern: bool, changes: list[tuple[int, int]], end: int | None
) -> None:
    content = bytearray(FRAMEWORK[modern])
    for place, value in changes:
        content[place % len(content)] = value
    file = tmp_path_factory.getbasetemp() / "damaged.pth"
    file.write_bytes(content[: end % len(content) if end else None])
    try:
        found = read(file).tensors
    except ModelError as error:
        message, found = str(error), {}
        one_line = "\n" not in message
    else:
        one_line = True
    assert one_line
    assert all(tensor.numel() < 1 << 20 for tensor in found.values())


def _framework(modern: bool) -> bytes:
    buffer = io.BytesIO()
    with absent_framework() as classes:
        content = {"state_dict": WEIGHTS, **framework_extras(classes)}
        torch.save(content, buffer, _use_new_zipfile_serialization=modern)
    return buffer.getvalue()


FRAMEWORK = {modern: _framework(modern) for modern in (True, False)}
