"""Pictures and metadata that the tests of media share; everything is made here, nothing is read from elsewhere."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from finesight.media import Picture, from_array

XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="uuid:7" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6">'
    b"<dc:creator><rdf:Seq><rdf:li>J\xc3\xb6rg &amp; Ana</rdf:li></rdf:Seq></dc:creator>"
    b"</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
)
PROVENANCE = {"software": "finesight 0.1.0", "model": "finesight-x4 <&>", "weights": "ab12" * 16, "settings": "scale=4"}


def gradient(
    height: int, width: int, channels: int, dtype: type[np.generic] = np.uint8, *, seed: int = 0
) -> np.ndarray:
    """A smooth picture with a little noise: every channel different, so that a swap or a shift shows."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    planes = [0.1 + 0.8 * np.clip(w * x + (1 - w) * y, 0, 1) for w in (0.9, 0.6, 0.3, 0.1)[:channels]]
    values = np.stack(planes, -1) + generator.uniform(-0.02, 0.02, (height, width, channels))
    if dtype is np.float32:
        return values.astype(np.float32)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


def picture(
    height: int = 21, width: int = 34, channels: int = 3, dtype: type[np.generic] = np.uint8, **metadata: Any
) -> Picture:
    """`gradient` as a picture; 2 and 4 channels bring alpha."""
    array = gradient(height, width, channels, dtype)
    if channels in (2, 4):
        array[: height // 4, :, -1] = 0  # a part is fully transparent, with colours of its own below
    return from_array(array, metadata=metadata)


def exif_block(*, orientation: int = 1, width: int = 34, height: int = 21, thumbnail: bool = False) -> bytes:
    """An EXIF block by Pillow: camera, exposure, a maker note, a place on Earth, sizes, and a thumbnail if wanted."""
    exif = Image.Exif()
    exif[0x10F], exif[0x110], exif[0x112] = "Maker", "Model 7", orientation
    exif[0x11A] = exif[0x11B] = 300.0
    exif[0x128], exif[0x131], exif[0x132] = 2, "camera firmware with a long name", "2020:01:02 03:04:05"
    exif[0x13B], exif[0x8298] = "Artist", "Copyright"
    inner = exif.get_ifd(0x8769)
    inner[0x829A], inner[0x9003] = 0.005, "2020:01:02 03:04:05"
    inner[0xA002], inner[0xA003] = width, height
    inner[0x927C] = b"MAKER\x00NOTE\x01\x02" * 5
    place = exif.get_ifd(0x8825)
    place[1], place[2] = "N", (48.0, 8.0, 1.5)
    block = exif.tobytes()[6:]
    return with_thumbnail(block) if thumbnail else block


def with_thumbnail(block: bytes) -> bytes:
    """Append a second table with a JPEG thumbnail, as cameras do."""
    order = "little" if block[:2] == b"II" else "big"

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, order)

    first = int.from_bytes(block[4:8], order)
    link = first + 2 + 12 * int.from_bytes(block[first : first + 2], order)
    block += bytes(len(block) % 2)
    position = len(block)
    jpeg = encoded(Image.new("RGB", (16, 12), (255, 0, 0)), "JPEG")
    rows = [
        (0x103, 3, number(6, 2) + b"\0\0"),
        (0x201, 4, number(position + 2 + 36 + 4, 4)),
        (0x202, 4, number(len(jpeg), 4)),
    ]
    table = number(3, 2) + b"".join(number(tag, 2) + number(kind, 2) + number(1, 4) + data for tag, kind, data in rows)
    return block[:link] + number(position, 4) + block[link + 4 :] + table + bytes(4) + jpeg


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """A file by Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Image.Image:
    """A file read by Pillow, pixels and all metadata loaded."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
