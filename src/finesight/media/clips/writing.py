"""`ClipWriter`: frames become a video file, a folder of pictures or a numbered sequence, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal

from finesight.errors import OutputError, SettingError
from finesight.media.atomic import atomically
from finesight.media.files import shown
from finesight.media.writing import Keep

from .copying import Copying
from .encodings import Encoding, choose_encoding
from .kinds import is_pattern
from .overlap import Consumer
from .picture_writing import PictureFolder, picture_folder
from .types import ClipInfo, Frame
from .video_writing import VideoFile

__all__ = ["ClipWriter"]


class ClipWriter:
    """Writes a clip; nothing appears at `path` before it is complete and checked.

    Used as a context manager. A clean exit writes what is delayed, copies the rest of the streams, compares
    the file with the plan (frames, times, streams, packets, duration) and renames it; any exception leaves nothing
    behind. Frames are converted and encoded in a thread of their own.

    Args:
        path: ``.mp4``, ``.mov``, ``.mkv`` or ``.webm``; a name without ending, or an empty folder: a folder of PNG
            files and their times; a pattern (``frame_%06d.png``): numbered pictures.
        like: the source. Its other streams, chapters, metadata, colour tags, pixel aspect, chroma and unit of time are
            kept. None: a clip of its own.
        width: of the frames.
        height: of the frames.
        rate: frames per second, where it differs from `like`'s; needed where neither it nor `like` has one.
        codec: an encoder that PyAV has; None: libx264, or libx265 above 8 bits (.mp4, .mov, .mkv), libvpx-vp9 or
            libsvtav1 (.webm), and with alpha prores_ks (.mov), ffv1 (.mkv) or libvpx-vp9 (.webm).
        crf: quality where the codec has one, low is good; None: 16 for libx264, 17 for libx265, 20 otherwise.
        pixel_format: FFmpeg's name; None: the nearest to the source that the codec has.
        depth: bits of a channel; None: as `like`, or 8.
        alpha: whether frames carry alpha that is to be kept.
        copy_streams: True copies all other streams of `like` and refuses a container that cannot hold one; "possible"
            leaves out what does not fit and says so in `notes`; False copies none.
        provenance: how the clip was made, into the container's metadata under ``finesight``, as JSON.
        metadata: "keep" copies titles, places, dates and all else of the container and its streams; "minimal" leaves
            them out, but for languages and chapters, and writes `provenance`; "strip" leaves that and chapters out too.
        start: where the frames begin in `like`, in seconds after its begin as for `read_clip`. Frames keep the source's
            times; all that is written moves so that the part begins at 0.
        end: where they end; copied streams are cut there.
        ahead: frames that may wait for the encoder; 0 encodes in the caller's thread.

    Raises:
        SettingError: settings that do not fit together or do not exist here; nothing has been opened then.
        OutputError: on entering, writing or leaving: a stream that the container cannot hold, a full disk, an encoder
            that refuses, or a closing check that fails.

    >>> with read_clip("in.mp4") as clip, ClipWriter(  # doctest: +SKIP
    ...     "out.mp4", like=clip.info, width=clip.info.width, height=clip.info.height
    ... ) as out:
    ...     for frame in clip:
    ...         out.write(frame)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        like: ClipInfo | None = None,
        width: int,
        height: int,
        rate: Fraction | None = None,
        codec: str | None = None,
        crf: float | None = None,
        pixel_format: str | None = None,
        depth: int | None = None,
        alpha: bool = False,
        copy_streams: bool | Literal["possible"] = True,
        provenance: Mapping[str, str] | None = None,
        metadata: Keep = "keep",
        start: Fraction | None = None,
        end: Fraction | None = None,
        ahead: int = 4,
    ) -> None:
        self.path = Path(path)
        self.like, self.size, self.rate, self.depth, self.alpha = like, (width, height), rate, depth, alpha
        self.provenance, self.start, self.end, self.ahead = provenance, start, end, ahead
        self.copying: Copying = "possible" if copy_streams == "possible" else "all" if copy_streams else "none"
        self.metadata: Keep = metadata
        self.frames = 0
        self._notes: list[str] = []
        self._stack = ExitStack()
        self._sink: VideoFile | PictureFolder | None = None
        self._consumer: Consumer[Frame] | None = None
        self.encoding: Encoding | None = None
        if self._pictures():
            self._check_pictures(codec, crf, pixel_format)
            return
        if rate is None and (like is None or like.rate is None):
            raise SettingError(
                f"{shown(self.path)} needs frames per second, which its source does not say: give them, for instance "
                "--rate 24."
            )
        self.encoding = choose_encoding(
            self.path,
            like=like,
            codec=codec,
            crf=crf,
            pixel_format=pixel_format,
            depth=depth or (like.depth if like is not None else 8),
            alpha=alpha,
            width=width,
            height=height,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for everything that could not be kept."""
        return (*self._notes, *(self._sink.notes if self._sink is not None else ()))

    def _pictures(self) -> bool:
        return self.path.is_dir() or is_pattern(self.path) or not self.path.suffix

    def _check_pictures(self, codec: str | None, crf: float | None, pixel_format: str | None) -> None:
        if codec not in (None, "png") or crf is not None or pixel_format is not None:
            raise SettingError(
                f"{shown(self.path)} becomes pictures: --codec, --crf and --pixel-format have no meaning."
            )
        lost = self.like.copied_streams if self.like is not None else ()
        if lost and self.copying != "none":
            self._notes.append(f"Pictures hold no {', '.join(str(one) for one in lost)}.")

    def __enter__(self) -> ClipWriter:
        with ExitStack() as stack:
            if self.encoding is None:
                self._sink = stack.enter_context(
                    picture_folder(self.path, provenance=self.provenance, metadata=self.metadata)
                )
            else:
                self.refuse_own_source()
                temporary = stack.enter_context(atomically(self.path))
                self._sink = VideoFile(
                    temporary,
                    self.path,
                    self.encoding,
                    like=self.like,
                    width=self.size[0],
                    height=self.size[1],
                    rate=self.rate,
                    copying=self.copying,
                    provenance=self.provenance,
                    metadata=self.metadata,
                    start=self.start,
                    end=self.end,
                )
            self._consumer = Consumer(self._sink.write, self.ahead)
            self._stack = stack.pop_all()
        return self

    def refuse_own_source(self) -> None:
        """Raise `OutputError` where the input itself would be overwritten."""
        there = self.like is not None and self.path.exists() and self.like.path.exists()
        if self.like is not None and there and os.path.samefile(self.path, self.like.path):
            raise OutputError(
                f"{shown(self.path)} is the input itself, which is never overwritten. Choose another name."
            )

    def write(self, frame: Frame) -> None:
        """Hand over the next frame; its arrays must not be changed afterwards.

        Raises:
            OutputError: this or an earlier frame could not be written.
        """
        if self._consumer is None:
            raise OutputError(f"{shown(self.path)} is not open: use the writer in a with statement.")
        self._consumer.put(frame)
        self.frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        if error is not None:
            consumer.stop()
            if isinstance(self._sink, VideoFile):
                self._sink.abandon()
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:  # renames at its end, or removes
            try:
                consumer.finish()
                if isinstance(self._sink, VideoFile):
                    self._sink.finish()
            finally:
                if isinstance(self._sink, VideoFile):
                    self._sink.abandon()
