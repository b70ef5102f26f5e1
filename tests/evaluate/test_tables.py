"""Tables: means, intervals, every form that they are written in, methods side by side."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
import torch

from finesight.errors import SettingError
from finesight.evaluate.protocols import PROTOCOLS
from finesight.evaluate.tables import Column, Comparison, Row, Table

COLUMNS = (Column("psnr", "PSNR", "higher", 2), Column("lpips", "LPIPS", "lower"))


def table(*values: tuple[float, float], protocol: str = "sr-y: ...") -> Table:
    rows = tuple(Row(f"a_{i}|&", {"psnr": p, "lpips": q}) for i, (p, q) in enumerate(values))
    return Table(protocol, protocol.split(":")[0], COLUMNS, rows)


def test_means_and_intervals() -> None:
    generator = torch.Generator().manual_seed(1)
    values = [(float(v), 0.5) for v in 30 + 2 * torch.randn(200, generator=generator)]
    mean = table(*values).mean("psnr")
    assert mean.value == pytest.approx(sum(v for v, _ in values) / 200)
    half = 1.96 * 2 / math.sqrt(200)
    assert mean.high - mean.value == pytest.approx(half, rel=0.25)
    assert mean.value - mean.low == pytest.approx(half, rel=0.25)
    assert table(*values).mean("psnr") == mean  # the seed is fixed
    with pytest.raises(SettingError, match="'ssim' is not in this table"):
        table(*values).mean("ssim")


def test_values_that_are_no_numbers() -> None:
    mixed = table((math.inf, math.nan), (20, 0.25), (30, 0.75))
    assert mixed.mean("psnr").value == 25
    assert mixed.mean("lpips").undefined == ("a_0|&",)
    content = json.loads(mixed.to_json())
    assert content["images"][0] == {"name": "a_0|&", "psnr": "inf", "lpips": None}
    assert content["mean"] == {"psnr": 25, "lpips": 0.5}
    only = table((math.inf, math.nan))
    assert only.mean("psnr").value == math.inf
    assert math.isnan(only.mean("lpips").value)
    json.loads(only.to_json())


def test_forms() -> None:
    made = table((20.126, 0.25), (30, 0.75))
    lines = list(csv.reader(made.to_csv().splitlines()))
    assert lines[0] == ["name", "psnr", "lpips"]
    assert lines[1] == ["a_0|&", "20.126", "0.25"]
    assert lines[-1][0] == "mean"
    assert float(lines[-1][1]) == pytest.approx(25.063)
    markdown = made.to_markdown()
    assert "| a_0\\|& | 20.13 | 0.2500 |" in markdown
    assert "sr-y: ..." in markdown
    latex = made.to_latex()
    assert latex.startswith("% sr-y: ...\n\\begin{tabular}{lrr}\n\\toprule\npicture & PSNR & LPIPS \\\\\n\\midrule")
    assert r"a\_0|\& & 20.13 & 0.2500 \\" in latex


def test_best_is_marked_by_printed_digits() -> None:
    methods = {"bicubic": table((20, 0.5)), "ours": table((25.001, 0.4)), "theirs": table((25.004, 0.3))}
    comparison = Comparison(methods)
    assert comparison.best() == {"psnr": frozenset({"ours", "theirs"}), "lpips": frozenset({"theirs"})}
    assert "| theirs | **25.00** | **0.3000** |" in comparison.to_markdown()
    assert "PSNR ↑" in comparison.to_markdown()
    assert r"theirs & \textbf{25.00} & \textbf{0.3000} \\" in comparison.to_latex()
    assert r"LPIPS $\downarrow$" in comparison.to_latex()
    assert json.loads(comparison.to_json())["best"]["psnr"] == ["ours", "theirs"]
    assert comparison.to_csv().splitlines()[3] == "theirs,25.004,0.3"


def test_numbers_that_cannot_be_compared() -> None:
    with pytest.raises(SettingError, match=r"different protocols \(sr-y, sr-rgb\)"):
        Comparison({"a": table((1, 1)), "b": table((1, 1), protocol="sr-rgb: ...")})
    with pytest.raises(SettingError, match="different pictures"):
        Comparison({"a": table((1, 1)), "b": table((1, 1), (2, 2))})
    other = Table("sr-y: ...", "sr-y", COLUMNS[:1], table((1, 1)).rows)
    with pytest.raises(SettingError, match="same metrics"):
        Comparison({"a": table((1, 1)), "b": other})


def test_every_protocol_is_documented() -> None:
    """Its settings, what it measures, and where it comes from."""
    page = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert list(rows) == list(PROTOCOLS)
    for name, one in PROTOCOLS.items():
        for part in (one.source, one.title, one.note, ", ".join(one.metrics)):
            assert part in rows[name]
        assert one.describe().removeprefix(f"{name}: ").split(". ")[0] in rows[name]
