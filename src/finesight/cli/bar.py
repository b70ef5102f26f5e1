"""The progress bar. Imported only where a terminal watches."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

__all__ = ["make_bar"]


class _Rate(ProgressColumn):
    """How many units a second."""

    def __init__(self, unit: str, per: float) -> None:
        super().__init__()
        self.unit, self.per = unit, per

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed / self.per:.3g} {self.unit}/s", style="progress.data.speed")


def make_bar(unit: str, per: float) -> Progress:
    """A bar on stderr: note, share, rate in ``unit`` (``per`` counted things each) and time left."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        _Rate(unit, per),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
