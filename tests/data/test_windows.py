"""Windows over the ends of clips of any length, and the times of new frames."""

from __future__ import annotations

import pytest

from finesight.data.windows import interpolated_times, window_frames, window_sequence
from finesight.errors import SettingError

BORDERS = ("replicate", "reflection", "reflection_circle", "circle")


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("length", range(1, 9))
@pytest.mark.parametrize("count", [1, 3, 5, 7])
def test_every_index_is_a_frame_and_the_centre_stays(border: str, length: int, count: int) -> None:
    for centre in range(length):
        found = window_frames(length, count, centre, border=border)  # type: ignore[arg-type]
        assert len(found) == count
        assert found[count // 2] == centre
        assert all(0 <= index < length for index in found)


@pytest.mark.parametrize("border", BORDERS[:3])
def test_windows_follow_from_one_sequence(border: str) -> None:
    padded = window_sequence(9, 5, border=border)  # type: ignore[arg-type]
    for centre in range(9):
        window = window_frames(9, 5, centre, border=border)  # type: ignore[arg-type]
        if border == "replicate" or border == "reflection" or centre in (0, 8) or 2 <= centre <= 6:
            assert padded[centre : centre + 5] == window


def test_reflection_circle_repeats_no_frame() -> None:
    for centre in range(7):
        assert len(set(window_frames(7, 5, centre))) == 5


def test_times() -> None:
    assert interpolated_times(1, 2) == [0]
    assert interpolated_times(3, 2) == [0, 0.5, 1, 1.5, 2]
    assert interpolated_times(3, 4) == [0, 1, 2]


def test_what_cannot_be_is_refused() -> None:
    for arguments in ((0, 3, 0), (5, 4, 0), (5, 3, 5), (5, 3, -1)):
        with pytest.raises(SettingError):
            window_frames(*arguments)
    with pytest.raises(SettingError, match="circle"):
        window_frames(5, 3, 0, border="mirror")  # type: ignore[arg-type]
    with pytest.raises(SettingError):
        window_sequence(5, 3, border="circle")
    with pytest.raises(SettingError):
        interpolated_times(5, 3)
