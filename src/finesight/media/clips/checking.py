"""The closing check: what lies in the written file is compared with what was meant to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from finesight.errors import InputError, OutputError
from finesight.media.files import shown

from .colour import Colour
from .copying import EMPTY_TEXT
from .inspecting import inspect_video
from .opening import open_video, reason
from .types import ClipInfo

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["Plan", "check_written"]

_DURATION = Fraction(1, 4)  # seconds by which sound codecs' padding may change the length


@dataclass
class Plan:
    """What a file must hold.

    Attributes:
        video: number of the stream of frames.
        times: of the frames in units of `base`, rising.
        base: seconds.
        end: of the last frame in seconds.
        copied: packets by number of stream.
        kinds: of the streams, in order.
        reached: where the copied streams end, in seconds.
        chapters: how many.
        colour: matrix and range that the file must say, or None.
    """

    video: int = 0
    times: list[int] = field(default_factory=list)
    base: Fraction = Fraction(1)
    end: Fraction = Fraction(0)
    copied: dict[int, int] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    reached: Fraction = Fraction(0)
    chapters: int = 0
    colour: Colour | None = None


def check_written(written: Path, plan: Plan, target: Path) -> None:
    """Compare streams, packets, times of frames, chapters and duration.

    Args:
        written: the file, still under its temporary name.
        plan: what it must hold.
        target: its name to come, for messages.

    Raises:
        OutputError: a difference; says which.
    """
    import av

    try:
        with open_video(written) as container:
            faults = list(_differences(container, plan))
        if not faults and plan.colour is not None:
            faults = list(_colour_differences(inspect_video(written), plan.colour))
    except InputError as error:
        raise OutputError(_fault(target, f"it cannot be read back ({error})")) from error
    except (av.error.FFmpegError, OSError) as error:
        raise OutputError(_fault(target, f"it cannot be read back ({reason(error)})")) from error
    if faults:
        raise OutputError(_fault(target, "; ".join(faults)))


def _fault(target: Path, what: str) -> str:
    return f"{shown(target)} was not written: the closing check found that {what}. Try another container, such as .mkv."


def _differences(container: InputContainer, plan: Plan) -> Iterator[str]:
    kinds = tuple(stream.type for stream in container.streams)
    if kinds[len(plan.kinds) :] == ("data",) and plan.chapters:
        kinds = kinds[:-1]  # MP4 and MOV keep chapters in a stream of their own
    if kinds != plan.kinds:
        yield f"its streams are {', '.join(kinds) or 'none'} instead of {', '.join(plan.kinds)}"
        return
    if len(container.chapters()) != plan.chapters:
        yield f"it holds {len(container.chapters())} chapters instead of {plan.chapters}"
    times: list[int] = []
    fills = "mov" in container.format.name
    counts = dict.fromkeys(plan.copied, 0)
    for packet in container.demux(*[one for one in container.streams if one.type != "attachment"]):
        if not packet.size and packet.dts is None:
            continue
        if packet.stream.index == plan.video:
            times.append(packet.pts if packet.pts is not None else -(2**62))
        elif packet.stream.index in counts and not (fills and bytes(packet) == EMPTY_TEXT):
            counts[packet.stream.index] += 1
    for index, wanted in plan.copied.items():
        if counts[index] != wanted:
            yield f"stream {index} ({kinds[index]}) holds {counts[index]} packets instead of {wanted}"
    yield from _time_differences(container, plan, times)


def _colour_differences(found: ClipInfo, wanted: Colour) -> Iterator[str]:
    for what, one, two in (("matrix", found.matrix, wanted.matrix), ("range", found.range, wanted.range)):
        if one != two:
            yield f"its colours would be read with the {what} {one} instead of {two}"


def _time_differences(container: InputContainer, plan: Plan, times: list[int]) -> Iterator[str]:
    if len(times) != len(plan.times):
        yield f"it holds {len(times)} frames instead of {len(plan.times)}"
        return
    base = Fraction(container.streams[plan.video].time_base or 0)
    allowed = max(base, plan.base)  # a container may count more coarsely than planned, never worse
    for number, (found, wanted) in enumerate(zip(sorted(times), plan.times, strict=True)):
        if abs(found * base - wanted * plan.base) > allowed:
            yield (f"frame {number} stands at {float(found * base):.4f} s instead of {float(wanted * plan.base):.4f} s")
            return
    wanted_end = max(plan.end, plan.reached)
    slack = _DURATION + 2 * (plan.end - plan.times[-1] * plan.base)
    if container.duration is not None:
        begin = Fraction(container.start_time or 0, 1_000_000)
        length = Fraction(container.duration, 1_000_000)  # from 0 or from its begin, as formats differ
        if min(abs(length - wanted_end), abs(length + begin - wanted_end)) > slack:
            yield f"it ends at {float(length):.3f} s instead of {float(wanted_end):.3f} s"
