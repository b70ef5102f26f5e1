"""Profile, EXIF, XMP, IPTC, resolution, texts, times and provenance in every format, each of the three ways."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from finesight import media
from finesight.media import exif as exif_module
from finesight.media.turning import upright

from .samples import PROVENANCE, XMP, decoded, encoded, exif_block, gradient, picture

TAGGED = ("png", "jpeg", "webp", "tiff", "avif")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def full(**changes: object) -> media.Picture:
    """A picture that carries everything, enlarged from 17 x 10 to 34 x 21, so that every stated size is stale."""
    return picture(21, 34, 3).replace(
        icc=SRGB,
        exif=exif_block(width=17, height=10, thumbnail=True),
        xmp=XMP,
        dpi=(300.0, 300.0),
        iptc=b"\x1c\x02\x78\x00\x07Caption",
        comments=(("Title", "Grüße"), ("Comment", "second")),
        times=(1_500_000_000_123_456_789, 1_400_000_000_987_654_321),
        **changes,
    )


@pytest.mark.parametrize("form", TAGGED)
def test_keep_keeps_everything(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a"
    notes = media.write(path, full(), format=form, provenance=PROVENANCE)
    status = os.stat(path)
    assert (status.st_atime_ns, status.st_mtime_ns) == full().times
    back, info = media.read(path), media.inspect(path)
    assert back.icc == SRGB
    assert back.dpi == (300.0, 300.0)
    assert info.provenance == PROVENANCE
    tags = info.exif
    assert tags["Make"] == "Maker"
    assert tags["Artist"] == "Artist"
    assert tags["Copyright"] == "Copyright"
    assert tags["ExposureTime"] == 0.005
    assert tags["MakerNote"] == b"MAKER\x00NOTE\x01\x02" * 5
    assert tags["GPSLatitude"] == (48.0, 8.0, 1.5)
    assert tags["Software"] == "finesight 0.1.0"
    assert tags["Orientation"] == 1
    assert (tags["ExifImageWidth"], tags["ExifImageHeight"]) == (34, 21)
    assert (tags["XResolution"], tags["YResolution"], tags["ResolutionUnit"]) == (300.0, 300.0, 2)
    assert "Jörg &amp; Ana" in (info.xmp or "")
    assert 'tiff:Orientation="1"' in (info.xmp or "")
    assert (back.iptc == full().iptc) == (form in ("jpeg", "tiff"))
    assert any("IPTC" in note for note in notes) == (form not in ("jpeg", "tiff"))
    if form == "png":
        assert back.comments == full().comments
    elif form == "jpeg":
        assert back.comments == (("Comment", "Title: Grüße"), ("Comment", "second"))
    assert any("text comments" in note for note in notes) == (form not in ("png", "jpeg"))
    assert b"\xff\xd8\xff" not in (back.exif or b"")  # the thumbnail is not merely unlinked


@pytest.mark.parametrize("form", TAGGED)
def test_pillow_finds_it_all(tmp_path: Path, form: str) -> None:
    media.write(tmp_path / "a", full(), format=form, provenance=PROVENANCE)
    image = decoded((tmp_path / "a").read_bytes())
    assert image.info["icc_profile"] == SRGB
    exif = image.getexif()
    assert exif[0x10F] == "Maker"
    assert exif[0x131] == "finesight 0.1.0"
    assert exif[0x112] == 1
    assert exif.get_ifd(0x8769)[0xA002] == 34
    assert exif.get_ifd(0x8769)[0x829A] == 0.005
    assert bytes(exif.get_ifd(0x8769)[0x927C]) == b"MAKER\x00NOTE\x01\x02" * 5
    assert exif.get_ifd(0x8825)[1] == "N"
    assert not exif.get_ifd(1)  # no thumbnail
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or image.tag_v2[700]
    assert "finesight-x4 &lt;&amp;&gt;" in (xmp if isinstance(xmp, str) else xmp.decode())
    if form in ("png", "jpeg", "tiff"):
        assert [round(float(value), 2) for value in image.info["dpi"]] == [300, 300]


def test_tifffile_finds_the_tags(tmp_path: Path) -> None:
    media.write(tmp_path / "a.tif", full(), provenance=PROVENANCE)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = file.pages[0].tags
        assert tags["Make"].value == "Maker"
        assert tags["Software"].value == "finesight 0.1.0"
        assert tags["ExifTag"].value["ExposureTime"] == 0.005
        assert tags["GPSTag"].value["GPSLatitudeRef"] == "N"
        assert tags["XResolution"].value == (300, 1)
        assert tags[700].value.startswith(b"<?xpacket")
        np.testing.assert_array_equal(file.asarray(), full().pixels)


@pytest.mark.parametrize("form", TAGGED)
def test_minimal_keeps_colour_and_provenance(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a"
    media.write(path, full(), format=form, metadata="minimal", provenance=PROVENANCE)
    back, info = media.read(path), media.inspect(path)
    assert (back.icc, back.dpi, back.iptc, back.comments) == (SRGB, (300.0, 300.0), None, ())
    assert info.provenance == PROVENANCE
    assert set(info.exif) <= {"Software", "XResolution", "YResolution", "ResolutionUnit", "Orientation"}
    assert "creator" not in (info.xmp or "")
    assert abs(os.stat(path).st_mtime_ns - full().times[1]) > 10**9


STRIPPED = {
    "png": {b"IHDR", b"IDAT", b"IEND"},
    "webp": {b"VP8 "},
    "jpeg": {0xE0, 0xDB, 0xC0, 0xC4, 0xDA},  # JFIF's header, which says nothing here, and what the pixels need
}


@pytest.mark.parametrize("form", TAGGED)
def test_strip_leaves_nothing(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a"
    media.write(path, full(), format=form, metadata="strip", provenance=PROVENANCE)
    data = path.read_bytes()
    for trace in (b"Maker", b"finesight", b"adobe", b"Exif", b"xmp", b"acsp", b"Caption", b"second"):
        assert trace not in data, trace
    back, info = media.read(path), media.inspect(path)
    assert (back.icc, back.exif, back.xmp, back.iptc, back.dpi, back.comments) == (None, None, None, None, None, ())
    assert info.profile == "sRGB (no profile)"
    assert abs(os.stat(path).st_mtime_ns - full().times[1]) > 10**9
    if form == "png":
        found = {
            data[m.start() : m.start() + 4]
            for m in re.finditer(b"IHDR|IDAT|IEND|[a-z][A-Za-z]{3}", data)
            if _is_chunk(data, m.start())
        }
        assert found == STRIPPED["png"]
    elif form == "jpeg":
        assert set(_markers(data)) == STRIPPED["jpeg"]
        assert data[6:20] == b"JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x00\x00"
    elif form == "webp":
        assert data[12:16] == b"VP8 "
        assert int.from_bytes(data[4:8], "little") == len(data) - 8 == int.from_bytes(data[16:20], "little") + 12
    elif form == "tiff":
        with tifffile.TiffFile(path) as file:
            assert {tag.code for tag in file.pages[0].tags} == {
                *(256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 282, 283, 284, 296, 317, 339)
            }
            assert file.pages[0].tags["ResolutionUnit"].value == 1


def _is_chunk(data: bytes, start: int) -> bool:
    import zlib

    length = int.from_bytes(data[start - 4 : start], "big")
    crc = data[start + 4 + length : start + 8 + length]
    return crc == zlib.crc32(data[start : start + 4 + length]).to_bytes(4, "big")


def _markers(data: bytes) -> list[int]:
    found, position = [], 2
    while data[position + 1] != 0xDA:
        found.append(data[position + 1])
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return [*found, 0xDA]


@pytest.mark.parametrize("form", ["bmp", "ppm"])
def test_formats_without_metadata_say_so(tmp_path: Path, form: str) -> None:
    notes = media.write(tmp_path / "a", full(), format=form, provenance=PROVENANCE)
    assert any("no place for metadata" in note for note in notes)
    assert media.read(tmp_path / "a").dpi == ((300.0, 300.0) if form == "bmp" else None)
    np.testing.assert_array_equal(media.read(tmp_path / "a").pixels, full().pixels)  # sRGB by profile: unchanged


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied_once(tmp_path: Path, form: str, orientation: int) -> None:
    array = gradient(20, 31, 3)
    stored = encoded(
        Image.fromarray(array),
        form,
        exif=b"Exif\x00\x00" + exif_block(orientation=orientation, width=31, height=20),
        dpi=(200, 100),
        **({"quality": 100, "subsampling": 0} if form == "JPEG" else {"lossless": True} if form == "WEBP" else {}),
    )
    turned = decoded(stored)
    wanted = np.asarray(turned if form == "TIFF" else _transposed(turned, orientation))  # Pillow turns TIFF itself
    info = media.inspect(stored)
    assert info.orientation == orientation
    assert (info.width, info.height) == ((31, 20) if orientation < 5 else (20, 31))
    back = media.read(stored)
    np.testing.assert_array_equal(back.pixels, wanted)
    assert back.exif is not None
    assert exif_module.orientation(back.exif) == 1
    if form in ("JPEG", "PNG", "TIFF"):
        assert back.dpi == ((200.0, 100.0) if orientation < 5 else (100.0, 200.0))
    for out in ("png", "tiff"):
        media.write(tmp_path / "o", back, format=out)
        again = media.read(tmp_path / "o")
        np.testing.assert_array_equal(again.pixels, wanted)
        tags = media.inspect(tmp_path / "o").exif
        assert tags["Orientation"] == 1
        assert (tags["ExifImageWidth"], tags["ExifImageHeight"]) == (back.width, back.height)


def _transposed(image: Image.Image, orientation: int) -> Image.Image:
    T = Image.Transpose
    how = {2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE}
    how |= {6: T.ROTATE_270, 7: T.TRANSVERSE, 8: T.ROTATE_90}
    return image if orientation == 1 else image.transpose(how[orientation])


def test_upright_by_hand() -> None:
    """EXIF 6: the file's left column is the picture's top row, read from below."""
    stored = np.array([[1, 2, 3], [4, 5, 6]])
    assert upright(stored, 6).tolist() == [[4, 1], [5, 2], [6, 3]]
    assert upright(stored, 2).tolist() == [[3, 2, 1], [6, 5, 4]]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_avif_is_turned_by_its_own_boxes_only(orientation: int) -> None:
    """Pillow stores the turn in the container; EXIF must not turn the picture a second time."""
    array = gradient(20, 32, 3)
    stored = encoded(
        Image.fromarray(array),
        "AVIF",
        quality=100,
        subsampling="4:4:4",
        exif=b"Exif\x00\x00" + exif_block(orientation=orientation),
    )
    back = media.read(stored)
    wanted = np.asarray(_transposed(Image.fromarray(array), orientation))
    assert back.pixels.shape == wanted.shape
    assert np.abs(back.pixels.astype(int) - wanted.astype(int)).max() <= 12
    assert exif_module.orientation(back.exif or b"") == 1


def test_maker_notes_stay_where_they_are() -> None:
    """Their offsets count from the start of the block, so not one byte before them may move."""
    block = exif_block(thumbnail=True)
    changed = exif_module.corrected(block, width=99, height=77, dpi=(72.0, 72.0), software="x" * 99)
    assert changed is not None
    assert changed.index(b"MAKER\x00NOTE") == block.index(b"MAKER\x00NOTE")
    assert exif_module.tags(changed)["Software"] == "x" * 99
    twice = exif_module.corrected(changed, width=99, height=77, dpi=(72.0, 72.0), software="y" * 99)
    assert twice is not None
    assert len(twice) == len(changed)  # in place the second time


def test_sizes_beyond_sixteen_bits() -> None:
    block = exif_module.corrected(exif_block(), width=70_000, height=80_000, dpi=None, software=None)
    tags = exif_module.tags(block or b"")
    assert (tags["ExifImageWidth"], tags["ExifImageHeight"]) == (70_000, 80_000)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_exif_of_a_tiff_of_either_order(tmp_path: Path, order: str, big: bool) -> None:
    extra = [(0x10F, 2, 6, "Maker", True), (0x8298, 2, 3, "me", True), (0x13B, 2, 4, "you", True)]
    tifffile.imwrite(
        tmp_path / "a.tif",
        gradient(9, 8, 3),
        byteorder=order,
        bigtiff=big,
        extratags=extra,
        resolution=(300, 150),
        resolutionunit=2,
    )
    media.write(tmp_path / "b.tif", media.read(tmp_path / "a.tif"), provenance=PROVENANCE)
    info = media.inspect(tmp_path / "b.tif")
    assert (info.exif["Make"], info.exif["Copyright"], info.exif["Artist"]) == ("Maker", "me", "you")
    assert info.dpi == (300.0, 150.0)
    assert not any(
        "shape" in str(value) for value in info.exif.values()
    )  # tifffile's note of the array's size is stale


def test_exif_moves_from_jpeg_to_tiff_and_back(tmp_path: Path) -> None:
    jpeg = encoded(Image.fromarray(gradient(10, 17, 3)), "JPEG", exif=b"Exif\x00\x00" + exif_block())
    media.write(tmp_path / "a.tif", media.read(jpeg))
    media.write(tmp_path / "b.jpg", media.read(tmp_path / "a.tif"))
    before, after = media.inspect(jpeg).exif, media.inspect(tmp_path / "b.jpg").exif
    assert {k: v for k, v in before.items() if not k.startswith("ExifImage")} == {
        k: v for k, v in after.items() if not k.startswith("ExifImage")
    }


def test_interoperability_and_adobe_rgb(tmp_path: Path) -> None:
    """Cameras mark Adobe RGB by the interoperability index alone; the mark and its meaning survive."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    jpeg = encoded(Image.fromarray(gradient(10, 17, 3)), "JPEG", exif=exif.tobytes())
    assert "Adobe RGB" in media.inspect(jpeg).profile
    media.write(tmp_path / "a.tif", media.read(jpeg))
    assert media.inspect(tmp_path / "a.tif").exif["InteropIndex"] == "R03"
    assert "Adobe RGB" in media.inspect(tmp_path / "a.tif").profile


def test_provenance_replaces_older_provenance_only(tmp_path: Path) -> None:
    media.write(tmp_path / "a.png", full(), provenance={"software": "finesight 0.0.1", "old": "1"})
    media.write(tmp_path / "b.png", media.read(tmp_path / "a.png"), provenance=PROVENANCE)
    info = media.inspect(tmp_path / "b.png")
    assert info.provenance == PROVENANCE
    assert "Jörg" in (info.xmp or "")


def test_without_provenance_nothing_is_invented(tmp_path: Path) -> None:
    for form in TAGGED:
        media.write(tmp_path / "a", picture(), format=form)
        info = media.inspect(tmp_path / "a")
        assert (info.exif, info.xmp, info.dpi, info.provenance) == (
            {},
            None,
            None,
            {},
        )


def test_a_profile_of_many_segments(tmp_path: Path) -> None:
    large = SRGB[:-4] + bytes(150_000)
    large = len(large).to_bytes(4, "big") + large[4:]
    for form in TAGGED:
        media.write(tmp_path / "a", picture().replace(icc=large), format=form)
        assert media.read(tmp_path / "a").icc == large


def test_too_large_for_a_jpeg_segment_is_said(tmp_path: Path) -> None:
    padding = XMP.replace(b"<?xpacket end", b" " * 70_000 + b"<?xpacket end")
    body = padding.replace(b"Ana", b"A" * 70_000)
    notes = media.write(tmp_path / "a.jpg", picture().replace(xmp=body))
    assert any("XMP packet" in note and "does not fit" in note for note in notes)
    assert media.read(tmp_path / "a.jpg").xmp is None


@pytest.mark.parametrize("packet", [b"<x", b"", b"\xff\xfe\x00", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<a/>"])
def test_damaged_xmp_is_left_out_and_said(tmp_path: Path, packet: bytes) -> None:
    from finesight.media.containers.png import chunks_for

    media.write(tmp_path / "a.png", picture())
    data = (tmp_path / "a.png").read_bytes()
    spoilt = data[:33] + chunks_for(picture().replace(xmp=packet)) + data[33:]
    back = media.read(spoilt)
    assert back.xmp is None
    assert any("XMP" in note for note in back.notes)
    assert media.inspect(spoilt).provenance == {}


def test_info_reads_well(tmp_path: Path) -> None:
    media.write(tmp_path / "a.tif", full(), provenance=PROVENANCE)
    info = media.inspect(tmp_path / "a.tif")
    labels = dict(info.lines())
    assert labels["Size"] == "34 x 21 pixels (0.00 megapixels)"
    assert labels["Made by: model"] == "finesight-x4 <&>"
    assert labels["EXIF Make"] == "Maker"
    assert "\n" not in "".join(text for _, text in info.lines())
    import json

    assert json.loads(json.dumps(info.as_dict()))["provenance"] == PROVENANCE


def test_raw_profiles_of_imagemagick() -> None:
    """EXIF in a compressed text chunk, from the time before PNG had its own chunk."""
    import binascii

    from PIL.PngImagePlugin import PngInfo

    block = b"Exif\x00\x00" + exif_block()
    texts = PngInfo()
    texts.add_text("Raw profile type exif", f"\nexif\n{len(block):8d}\n{binascii.hexlify(block).decode()}\n", zip=True)
    stored = encoded(Image.fromarray(gradient(5, 6, 3)), "PNG", pnginfo=texts)
    assert media.inspect(stored).exif["Make"] == "Maker"
    assert media.read(stored).comments == ()


def test_pillow_round_trip_keeps_metadata() -> None:
    image = Image.open(
        io.BytesIO(
            encoded(
                Image.fromarray(gradient(20, 31, 3)),
                "PNG",
                exif=b"Exif\x00\x00" + exif_block(orientation=6),
                icc_profile=SRGB,
                dpi=(300, 300),
            )
        )
    )
    back = media.from_pil(image)
    assert (back.width, back.height) == (20, 31)
    assert back.icc == SRGB
    assert exif_module.orientation(back.exif or b"") == 1
    again = media.to_pil(back)
    assert again.size == (20, 31)
    assert again.getexif()[0x112] == 1
    assert again.info["icc_profile"] == SRGB
