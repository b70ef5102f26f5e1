"""What a run writes down about itself: numbers as CSV and JSON lines (and for TensorBoard), results as pictures."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from finesight.errors import OutputError
from finesight.train.state import replace_file, write_text

__all__ = ["Records", "save_picture"]


class Records:
    """``log.csv`` and ``log.jsonl`` of a run; rows are added, never changed.

    Args:
        folder: of the run.
        columns: names of the numbers; the first is ``step``.
        step: rows of later steps are dropped: they belong to what a killed run did after its last state.
    """

    def __init__(self, folder: Path, columns: Sequence[str], *, step: int) -> None:
        self.columns = list(columns)
        self.table, self.lines = folder / "log.csv", folder / "log.jsonl"
        self._board = _tensorboard(folder / "tensorboard")
        self.rewind(step)

    def rewind(self, step: int) -> None:
        """Forget the rows after ``step``."""
        rows = [row for row in read_rows(self.lines) if row["step"] <= step]
        write_text(self.lines, "".join(json.dumps(row) + "\n" for row in rows))
        text = ",".join(self.columns) + "\n" + "".join(self._csv(row) for row in rows)
        write_text(self.table, text)

    def _csv(self, row: Mapping[str, Any]) -> str:
        return ",".join("" if row.get(name) is None else f"{row[name]:.10g}" for name in self.columns) + "\n"

    def add(self, row: Mapping[str, float]) -> None:
        """Write one row; NaN stands as an empty field, since JSON has none.

        Raises:
            OutputError: the disk is full, or the folder is gone.
        """
        kept = {name: value if math.isfinite(value) else None for name, value in row.items()}
        try:
            with self.table.open("a", encoding="utf-8") as table, self.lines.open("a", encoding="utf-8") as lines:
                table.write(self._csv(kept))
                lines.write(json.dumps(kept) + "\n")
        except OSError as error:
            raise OutputError(f"{self.table} cannot be written: {error.strerror or error}.") from error
        if self._board is not None:
            for name, value in kept.items():
                if name != "step" and value is not None:
                    self._board.add_scalar(name, value, int(row["step"]))
            self._board.flush()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of ``log.jsonl`` (or of ``log.csv``); a last line that a killed run left half is not among them."""
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = []
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".csv":
        found = csv.DictReader(text.splitlines())
        return [{name: float(value) if value else None for name, value in row.items() if name} for row in found]
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            break
        if isinstance(row, dict) and "step" in row:
            rows.append(row)
    return rows


def _tensorboard(folder: Path) -> Any:
    """A writer for TensorBoard where that is installed; it is optional, the files above hold the same."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))


def save_picture(path: Path, picture: Tensor) -> None:
    """Write ``(C, H, W)`` or the middle frame of ``(T, C, H, W)``, values in [0, 1], as PNG; other channels are left.

    Raises:
        OutputError: the file cannot be written.
    """
    if picture.ndim == 4:
        picture = picture[len(picture) // 2]
    if picture.ndim != 3 or picture.shape[0] not in (1, 3):
        return
    levels = picture.detach().float().clamp(0, 1).mul(255).round().byte().cpu().permute(1, 2, 0).numpy()
    image = Image.fromarray(np.ascontiguousarray(levels[..., 0] if levels.shape[2] == 1 else levels))
    replace_file(lambda temporary: image.save(temporary, "PNG"), path)
