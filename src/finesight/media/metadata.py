"""The metadata of the formats that libvips decodes, read from the files' own structure."""

from __future__ import annotations

from .colour import fits
from .containers import heif, jpeg, png, tiff, webp
from .decode import check_limit, open_lazily
from .exif import orientation, plain, resolution, says_adobe_rgb
from .files import Opened
from .profiles import adobe_rgb, profile_for_gamma, profile_for_numbers
from .tags import Tags

__all__ = ["profile_of", "read_tags"]


def read_tags(opened: Opened) -> Tags:
    """Everything that a PNG, JPEG, WebP, TIFF, AVIF or GIF file says beside its pixels.

    Raises:
        InputError: the file is damaged so much that it says nothing.
    """
    if opened.format in ("avif", "gif"):
        tags = _from_libvips(opened)
    else:
        tags = {"png": png.parse, "jpeg": jpeg.parse, "webp": webp.parse, "tiff": tiff.parse}[opened.format](opened)
    if tags.exif is not None:
        if opened.format in ("png", "jpeg", "webp"):
            tags.orientation = orientation(tags.exif)
        tags.dpi = tags.dpi or resolution(tags.exif)
    return tags


def _from_libvips(opened: Opened) -> Tags:
    """AVIF and GIF; libheif has turned AVIF upright already, as HEIF's own boxes say, whatever EXIF says."""
    if opened.format == "avif":
        check_limit(opened, *heif.largest_claim(opened), None)  # libvips prints about sizes beyond its own
    image = open_lazily(opened)
    fields = set(image.get_fields())
    tags = Tags()
    if opened.format == "avif":
        for name, key in (("icc", "icc-profile-data"), ("xmp", "xmp-data"), ("exif", "exif-data")):
            if key in fields:
                setattr(tags, name, bytes(image.get(key)))
        tags.cicp = heif.colour_numbers(opened)
        tags.coding = "YCbCr"
    else:
        tags.coding = "palette"
    tags.bits = int(image.get("bits-per-sample")) if "bits-per-sample" in fields else 8
    tags.frames = int(image.get("n-pages")) if "n-pages" in fields else 1
    if tags.exif is not None:
        tags.exif = plain(tags.exif)
    return tags


def profile_of(tags: Tags, *, grey: bool) -> tuple[bytes | None, str]:
    """The ICC profile that pixels are in, None for sRGB, and a note, "" where all is well.

    A profile goes before numbers, numbers before gamma, and all before EXIF's mark for Adobe RGB, with which cameras
    say what they do not embed (DCF 2.0, section 5.1: interoperability index "R03").
    """
    if tags.icc is not None:
        if fits(tags.icc, 1 if grey else 3):
            return tags.icc, ""
        return None, "The colour profile in the file is damaged or does not fit its pixels and was left out."
    if tags.cicp is not None and not grey:
        return profile_for_numbers(tags.cicp)
    if tags.gamma is not None or tags.chromaticities is not None:
        return profile_for_gamma(tags.gamma, tags.chromaticities, grey=grey), ""
    if tags.exif is not None and not grey and says_adobe_rgb(tags.exif):
        return adobe_rgb(), ""
    return None, ""
