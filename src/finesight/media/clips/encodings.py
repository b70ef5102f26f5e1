"""Which codec, pixel format and container a clip is written with: sensible by default, checked against PyAV."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from finesight.errors import OutputError, SettingError, nearest
from finesight.media.files import shown

from .planes import depth_of, has_alpha, is_rgb
from .types import ClipInfo

if TYPE_CHECKING:
    from av.codec import Codec

__all__ = ["CONTAINERS", "Encoding", "choose_encoding", "container_of"]

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""Endings of the clips that are written, and FFmpeg's names of their formats."""

_ALIASES = {"h264": "libx264", "x264": "libx264", "avc": "libx264", "h265": "libx265", "x265": "libx265",
            "hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1", "prores": "prores_ks"}  # fmt: skip
_CRF = {"libx264": (0, 51, 16), "libx264rgb": (0, 51, 16), "libx265": (0, 51, 17), "libvpx-vp9": (0, 63, 20),
        "libsvtav1": (1, 63, 20)}  # fmt: skip
"""Lowest, highest and default constant rate factor; the defaults are hard to tell from the original."""

_RGB_FIRST = ("ffv1", "png", "qtrle", "libx264rgb", "rawvideo")
_LOSSLESS = ("ffv1", "png", "qtrle", "rawvideo", "prores_ks")


@dataclass(frozen=True)
class Encoding:
    """How frames are encoded.

    Attributes:
        container: FFmpeg's name of the format.
        codec: of the encoder.
        pixel_format: that the encoder is given.
        options: of the encoder, by FFmpeg's names.
        tag: four letters that players look for, or "".
        notes: what differs from the input, each one sentence.
    """

    container: str
    codec: str
    pixel_format: str
    options: dict[str, str] = field(default_factory=dict)
    tag: str = ""
    notes: tuple[str, ...] = ()


def container_of(path: Path) -> str:
    """FFmpeg's format for an output's name.

    Raises:
        OutputError: an ending that is not written.
    """
    found = CONTAINERS.get(path.suffix.lower())
    if found is None:
        ending = path.suffix or "no ending"
        raise OutputError(
            f"{shown(path)}: clips are written as {', '.join(CONTAINERS)}, as a folder of frames (a name without "
            f"ending) or as a pattern like frame_%06d.png, not with {ending}."
        )
    return found


def choose_encoding(
    path: Path,
    *,
    like: ClipInfo | None,
    codec: str | None,
    crf: float | None,
    pixel_format: str | None,
    depth: int,
    alpha: bool,
    width: int,
    height: int,
) -> Encoding:
    """Settle everything about the encoder before anything is computed.

    Raises:
        SettingError: a codec, crf or pixel format that is not there or does not fit; says what does.
        OutputError: an ending that is not written, or a container that cannot hold alpha.
    """
    container = container_of(path)
    chosen = _ALIASES.get(codec.lower(), codec) if codec else _default_codec(container, depth, alpha, path)
    encoder = _encoder(chosen)
    _check_container(container, encoder, path)
    formats = [one.name for one in encoder.video_formats or []]
    notes: list[str] = []
    if pixel_format is None:
        pixel_format = _default_format(chosen, formats, like, depth, alpha, width % 2 or height % 2, notes)
    else:
        _check_format(pixel_format, formats, chosen, alpha, width, height)
    options = {**_quality(chosen, crf), **_extras(chosen, pixel_format, width)}
    tag = "hvc1" if chosen == "libx265" and container in ("mp4", "mov") else ""
    return Encoding(container, chosen, pixel_format, options, tag, tuple(notes))


def _default_codec(container: str, depth: int, alpha: bool, path: Path) -> str:
    if alpha:
        able = {"mov": "prores_ks", "matroska": "ffv1", "webm": "libvpx-vp9"}
        if container not in able:
            raise OutputError(f"{shown(path)}: MP4 cannot hold transparency. Write a .mov, .mkv or .webm instead.")
        return able[container]
    if container == "webm":
        return "libvpx-vp9" if depth <= 8 else "libsvtav1"
    return "libx264" if depth <= 8 else "libx265"


def _encoder(name: str) -> Codec:
    from av.codec import Codec, codecs_available
    from av.codec.codec import UnknownCodecError

    try:
        encoder = Codec(name, "w")
    except UnknownCodecError as error:
        known = [one for one in sorted(codecs_available) if _encodes_video(one)]
        hint = nearest(name, [*known, *_ALIASES])
        raise SettingError(
            f"There is no encoder {name!r}. {hint or 'Usual ones: libx264, libx265, libsvtav1, ffv1, prores_ks.'}"
        ) from error
    if encoder.type != "video":
        raise SettingError(
            f"{name!r} encodes {encoder.type}, not video. Usual ones: libx264, libx265, libsvtav1, ffv1."
        )
    return encoder


def _encodes_video(name: str) -> bool:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    try:
        return bool(Codec(name, "w").type == "video")
    except UnknownCodecError:
        return False


def _check_container(container: str, encoder: Codec, path: Path) -> None:
    import io

    import av

    with av.open(io.BytesIO(), "w", format=container) as output:
        if encoder.name not in output.supported_codecs and encoder.canonical_name not in output.supported_codecs:
            raise SettingError(
                f"{shown(path)}: a {path.suffix} file cannot hold {encoder.name}. Choose another --codec, "
                f"or write a {'.mov' if container == 'matroska' else '.mkv'}."
            )


def _default_format(
    codec: str, formats: list[str], like: ClipInfo | None, depth: int, alpha: bool, odd: int, notes: list[str]
) -> str:
    """The format nearest to the input: its depth, its chroma, alpha where it is wanted."""
    chroma = _chroma(like)
    if odd and chroma != "444":
        chroma = "444"  # half of an odd side cannot be stored
    if codec == "prores_ks" and chroma == "420":
        chroma = "422"
    letter = "a" if alpha else ""
    deep = "" if depth <= 8 else str(min((10, 12, 14, 16), key=lambda one: (one < depth, one)))
    yuv = [f"yuv{letter}{one}p{two}" for two in _depths(deep) for one in dict.fromkeys((chroma, "444", "422", "420"))]
    rgb = _rgb_formats(deep, alpha)
    wanted = [*rgb, *yuv] if codec in _RGB_FIRST else [*yuv, *rgb]
    if not formats:
        return wanted[0]
    for name in wanted:
        if name in formats:
            _note_losses(name, codec, like, depth, notes)
            return name
    if alpha:
        raise SettingError(f"{codec} cannot hold transparency. Use --codec ffv1, prores_ks or libvpx-vp9.")
    return formats[0]


def _depths(deep: str) -> list[str]:
    """Endings of pixel formats from the depth wanted to shallower ones, deeper ones last."""
    order = ["16le", "14le", "12le", "10le", ""]
    if not deep:
        return ["", "10le", "12le", "16le"]
    at = order.index(f"{deep}le")
    return [*order[at : at + 1], *order[:at][::-1], *order[at + 1 :]]


def _rgb_formats(deep: str, alpha: bool) -> list[str]:
    if not deep:
        return ["bgra", "rgba", "argb", "gbrap"] if alpha else ["rgb24", "bgr0", "gbrp", "bgr24"]
    endings = _depths(deep)
    planar = [f"gbr{'a' if alpha else ''}p{one}" for one in endings[:2] if one]
    return [*planar, *(["rgba64be", "rgba64le"] if alpha else ["rgb48be", "rgb48le"]), *_rgb_formats("", alpha)]


def _chroma(like: ClipInfo | None) -> str:
    name = like.pixel_format if like is not None else ""
    return next((one for one in ("444", "422") if one in name), "420")


def _note_losses(name: str, codec: str, like: ClipInfo | None, depth: int, notes: list[str]) -> None:
    import av

    held = depth_of(av.VideoFormat(name))
    if held < depth and not (depth == 16 and codec == "prores_ks"):
        notes.append(f"{codec} holds {held} bits a channel at most: rounded from {depth} bits.")
    if "yuv" in name and _chroma(like) != "420" and _chroma(like) not in name:
        notes.append(
            f"{codec} stores colour more coarsely ({name}) than the input ({like.pixel_format if like else ''})."
        )


def _check_format(name: str, formats: list[str], codec: str, alpha: bool, width: int, height: int) -> None:
    import av

    try:
        form = av.VideoFormat(name)
    except ValueError as error:
        raise SettingError(f"There is no pixel format {name!r}. {nearest(name, formats)}".rstrip()) from error
    if formats and name not in formats:
        raise SettingError(f"{codec} does not take {name}; it takes {', '.join(formats[:16])}.")
    if alpha and not has_alpha(form):
        raise SettingError(f"{name} holds no transparency. Leave --pixel-format away or name one that does.")
    sub_x, sub_y = (form.chroma_width(2) < 2, form.chroma_height(2) < 2) if not is_rgb(form) else (False, False)
    if (sub_x and width % 2) or (sub_y and height % 2):
        raise SettingError(
            f"{name} needs even sides; the result is {width}x{height}. Use --pixel-format yuv444p or leave it away."
        )


def _quality(codec: str, crf: float | None) -> dict[str, str]:
    if codec not in _CRF:
        if crf is not None:
            why = "is lossless" if codec in _LOSSLESS[:-1] else "has no such setting"
            raise SettingError(f"--crf has no meaning for {codec}, which {why}. Leave it away.")
        if codec in ("mpeg4", "mjpeg", "mpeg2video"):
            return {"flags": "+qscale", "global_quality": str(2 * 118)}  # FF_QP2LAMBDA
        return {}
    low, high, usual = _CRF[codec]
    if crf is not None and not low <= crf <= high:
        raise SettingError(f"--crf for {codec} goes from {low} (best) to {high}; {crf:g} is not in it.")
    value = usual if crf is None else crf
    return {"crf": f"{value:g}"}


def _extras(codec: str, pixel_format: str, width: int) -> dict[str, str]:
    if codec == "libx265":
        # Its assembly writes beyond its memory for widths such as 40 and 48, and the process dies.
        return {"x265-params": "log-level=error" + (":no-asm=1" if width < 64 else "")}
    if codec == "libvpx-vp9":
        return {"b": "0", "row-mt": "1", "cpu-used": "2"}
    if codec == "prores_ks":
        return {"profile": "4444" if "444" in pixel_format else "hq", "alpha_bits": "16"}
    if codec == "dnxhd":
        return {
            "profile": "dnxhr_444" if "444" in pixel_format else "dnxhr_hqx" if "10" in pixel_format else "dnxhr_hq"
        }
    if codec == "ffv1":
        return {"level": "3", "slicecrc": "1", "g": "1"}
    return {}
