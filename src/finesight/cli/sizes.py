"""``--target-size``: how large results are to be, whatever their pictures are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from finesight.errors import SettingError

__all__ = ["TargetSize", "parse_size"]


@dataclass(frozen=True, slots=True)
class TargetSize:
    """A size in pixels that results fit into, with the proportions of their pictures, or have exactly (``stretch``)."""

    width: int
    height: int
    stretch: bool = False

    def of(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the result of a picture.

        >>> TargetSize(3840, 2160).of(1000, 1000), TargetSize(3840, 2160, stretch=True).of(1000, 1000)
        ((2160, 2160), (3840, 2160))
        """
        if self.stretch:
            return self.width, self.height
        scale = min(self.width / width, self.height / height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def parse_size(text: str | None) -> TargetSize | None:
    """The size that ``--target-size`` gives: ``3840x2160``, or ``3840x2160!`` to have exactly that size.

    Raises:
        SettingError: it is not two whole numbers above 0.
    """
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d{1,6})\s*[xX×]\s*(\d{1,6})\s*(!?)\s*", text)
    if found is None or not (int(found[1]) and int(found[2])):
        raise SettingError(f"--target-size: expected width and height such as 3840x2160, got '{text}'.")
    return TargetSize(int(found[1]), int(found[2]), stretch=bool(found[3]))
