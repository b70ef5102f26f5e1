"""The rules of who may import whom, how light imports are, and which names are public."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import finesight

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "finesight"

ORDER = (
    {"cli", "web"},
    {"study"},
    {"train"},
    {"space", "explain", "adapt"},
    {"evaluate"},
    {"run"},
    {"zoo", "data"},
    {"degrade"},
    {"losses", "metrics"},
    {"models"},
    {"nn"},
)
"""From left to right: a part may import itself and every part in a set after its own."""

FLOOR = {"errors", "extras", "progress", "__init__"}
"""Modules that anyone may import; they import nothing of finesight but each other."""

MEDIA_USERS = {part for parts in ORDER[: ORDER.index({"run"}) + 1] for part in parts} | {"data"}

THIRD_PARTY = {"torch", "numpy", "safetensors", "pyvips", "PIL", "av", "typer", "rich", "pydantic", "yaml"}
"""What an installation without extras brings. Everything else goes through ``extras.need``."""

HOMES = {"typer": {"cli"}, "rich": {"cli"}, "pyvips": {"media"}, "av": {"media"}, "pydantic": {"train", "study", "web"}}
"""Packages that only some parts may know of."""


class Import(NamedTuple):
    file: Path
    line: int
    module: str
    top: bool  # runs when the file is imported

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _walk(node: ast.AST, *, top: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        inside = top and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        inside = inside and not _is_type_checking(child)
        yield child, inside
        yield from _walk(child, top=inside)


def imports_of(file: Path, text: str) -> Iterator[Import]:
    """Every import of a file under ``src``, relative ones resolved, those from ``finesight`` itself by name."""
    package = [*file.relative_to(SOURCE.parent).parent.parts]
    for node, top in _walk(ast.parse(text), top=True):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, top)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            if module == "finesight":
                for alias in node.names:
                    yield Import(file, node.lineno, f"finesight.{alias.name}", top)
            else:
                yield Import(file, node.lineno, module, top)


@cache
def every_import() -> tuple[Import, ...]:
    return tuple(
        found for file in sorted(SOURCE.rglob("*.py")) for found in imports_of(file, file.read_text(encoding="utf-8"))
    )


def part_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def rank(part: str) -> int:
    return next(index for index, parts in enumerate(ORDER) if part in parts)


def allowed(part: str, other: str) -> bool:
    """Whether a module of ``part`` may import one of ``other``."""
    if part == "__init__" or other in FLOOR or part == other:  # the lazy public face names everything
        return True
    if part == "__main__":
        return other == "cli"
    if part in FLOOR or part == "media":
        return False
    if other == "media":
        return part in MEDIA_USERS
    return rank(part) < rank(other)


def wrong_directions(imports: Iterator[Import] | tuple[Import, ...]) -> list[str]:
    wrong = []
    for found in imports:
        names = found.module.split(".")
        if names[0] != "finesight":
            continue
        other = names[1] if len(names) > 1 else "__init__"
        if not (SOURCE / other).is_dir() and not (SOURCE / f"{other}.py").is_file():
            other = "__init__"  # from finesight import __version__
        if not allowed(part_of(found.file), other):
            wrong.append(str(found))
    return wrong


def test_every_part_has_its_place() -> None:
    known = {part for parts in ORDER for part in parts} | FLOOR | {"media", "__main__"}
    found = {path.name.removesuffix(".py") for path in SOURCE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert found - {"__pycache__", "py.typed", "recipes"} <= known


def test_imports_point_one_way() -> None:
    assert wrong_directions(every_import()) == []


@pytest.mark.parametrize(
    ("file", "text", "wrong"),
    [
        ("nn/a.py", "from finesight.models.table import NETWORKS", True),
        ("models/a.py", "from finesight.nn.traits import Traits", False),
        ("zoo/a.py", "import finesight.media", True),
        ("zoo/a.py", "from finesight.data import pack", True),
        ("data/a.py", "from finesight import media", False),
        ("media/a.py", "def f():\n    from finesight.run import upscale", True),
        ("media/a.py", "from ..run import upscale", True),
        ("media/a.py", "from .picture import Picture", False),
        ("train/a.py", "from finesight.cli import main", True),
        ("models/a.py", "from finesight import __version__", False),
        ("errors.py", "from finesight.nn import traits", True),
        ("metrics/a.py", "import finesight.losses.pixel", True),
    ],
)
def test_the_direction_rule_sees(file: str, text: str, wrong: bool) -> None:
    assert bool(wrong_directions(imports_of(SOURCE / file, text))) is wrong


def test_only_declared_packages_are_imported() -> None:
    known = THIRD_PARTY | set(sys.stdlib_module_names) | {"finesight", "_typeshed"}
    strangers = [str(found) for found in every_import() if found.module.split(".")[0] not in known]
    assert strangers == [], "optional packages go through finesight.extras.need, others are not used at all"


def test_packages_stay_in_their_homes() -> None:
    wrong = [
        str(found)
        for found in every_import()
        if (homes := HOMES.get(found.module.split(".")[0])) and part_of(found.file) not in homes
    ]
    assert wrong == []


def test_need_names_an_extra_that_exists() -> None:
    declared = re.search(
        r"\[project.optional-dependencies\](.*?)\n\[", (ROOT / "pyproject.toml").read_text(), re.DOTALL
    )
    assert declared is not None
    extras = set(re.findall(r"^(\w+) = \[", declared[1], re.MULTILINE))
    called = [
        (file, keyword.value.value)
        for file in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "need"
        for keyword in node.keywords
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Constant)
    ]
    assert [f"{file.relative_to(ROOT)}: {extra}" for file, extra in called if extra not in extras] == []


def test_media_has_no_torch_at_module_level() -> None:
    heavy = [
        str(found)
        for found in every_import()
        if part_of(found.file) == "media" and found.top and found.module.split(".")[0] == "torch"
    ]
    assert heavy == []


def loaded_by(code: str) -> set[str]:
    """Top-level names of all modules that a fresh interpreter has after ``code``."""
    script = f"{code}\nimport sys as s\ns.stderr.write('LOADED ' + ' '.join({{m.split('.')[0] for m in s.modules}}))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stderr.rpartition("LOADED ")[2].split())


HEAVY = {"torch", "numpy", "pyvips", "av", "pydantic", "yaml", "PIL", "safetensors"}

RUN = """
import sys
from {module} import main
sys.argv = ["finesight", {arguments}]
try:
    main()
except SystemExit as stopped:
    assert not stopped.code, stopped.code
"""


@pytest.mark.parametrize(
    ("code", "never"),
    [
        ("import finesight", HEAVY | {"typer", "rich"}),
        ("import finesight.media", {"torch", "pyvips", "av"}),
        ("import finesight.zoo", {"torch", "pyvips", "av", "numpy"}),
        (RUN.format(module="finesight.cli", arguments="'--help'"), HEAVY),
        (RUN.format(module="finesight.cli", arguments="'data', 'pack', '--help'"), HEAVY - {"pydantic"}),
        (RUN.format(module="finesight.cli", arguments="'--version'"), HEAVY | {"rich"}),
        (RUN.format(module="finesight.train.__main__", arguments="'--help'"), {"pyvips", "av", "typer", "rich"}),
    ],
    ids=["finesight", "media", "zoo", "help", "command-help", "version", "train"],
)
def test_imports_are_light(code: str, never: set[str]) -> None:
    assert loaded_by(code) & never == set()


def test_help_starts_quickly(record_property: pytest.RecordProperty) -> None:
    """A report, not a limit: the time is in the properties of the test."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "finesight", "--help"], check=True, capture_output=True, timeout=120)
    record_property("seconds", round(time.perf_counter() - began, 2))


def test_public_names_are_the_documented_ones() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^#+ `(?:finesight\.)?(\w+)", page, re.MULTILINE))
    assert documented == set(finesight.__all__)
    assert set(dir(finesight)) == set(finesight.__all__)
    for name in finesight.__all__:
        assert getattr(finesight, name) is not None


def test_documented_arguments_are_the_real_ones() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    written = dict(re.findall(r"^`finesight\.(\w+)\((.*)\)`", page, re.MULTILINE))
    assert set(written) == {name for name in finesight.__all__ if name[0].islower()}
    for name, arguments in written.items():
        names = [part.split("=")[0].strip() for part in arguments.split(",") if part.strip() != "*"]
        assert names == list(inspect.signature(getattr(finesight, name)).parameters), name
