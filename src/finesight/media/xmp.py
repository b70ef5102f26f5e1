"""XMP packets: provenance put in and read back, sizes and orientation corrected, everything else left as it is.

Adobe's XMP specification, part 1 (ISO 16684-1). Provenance is one simple property for each key in our own name space.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.dom import minidom
from xml.parsers.expat import ExpatError

__all__ = ["NAMESPACE", "corrected_xmp", "provenance_of", "usable"]

NAMESPACE = "urn:finesight:provenance:1.0:"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TIFF = "http://ns.adobe.com/tiff/1.0/"
_EXIF = "http://ns.adobe.com/exif/1.0/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_NOTE = "http://ns.adobe.com/xmp/note/"
_XMLNS = "http://www.w3.org/2000/xmlns/"

_EMPTY = (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">'
    '<rdf:Description rdf:about=""/></rdf:RDF></x:xmpmeta>'
)
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_END = '<?xpacket end="w"?>'
MOST_BYTES = 2**24


def _parse(packet: bytes) -> minidom.Document | None:
    if len(packet) > MOST_BYTES or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        return None  # XMP has no document type; entities are how XML is made to explode
    try:
        document = minidom.parseString(packet.strip(b"\x00 \t\r\n"))
    except (ExpatError, ValueError, LookupError, RecursionError):
        return None
    return document if document.getElementsByTagNameNS(_RDF, "RDF") else None


def usable(packet: bytes) -> bool:
    """Whether this is an XMP packet that can be read."""
    return _parse(packet) is not None


def provenance_of(packet: bytes) -> dict[str, str]:
    """What `corrected_xmp` put in: key and value of each property in our name space."""
    document = _parse(packet)
    found: dict[str, str] = {}
    for description in _descriptions(document):
        for node in list(description.attributes.values()) + list(description.childNodes):
            if getattr(node, "namespaceURI", None) == NAMESPACE:
                found[node.localName or ""] = node.value if isinstance(node, minidom.Attr) else _text(node)
    return found


def corrected_xmp(
    packet: bytes | None, *, width: int, height: int, provenance: Mapping[str, str] | None
) -> bytes | None:
    """The packet as it must stand in a file of this size.

    Orientation is 1, stated sizes are right, thumbnails and pointers to packets elsewhere are gone, and earlier
    provenance is replaced by `provenance`. None where there was no packet and nothing is to be said.
    """
    document = _parse(packet) if packet else None
    if document is None:
        if not provenance:
            return None
        document = minidom.parseString(_EMPTY)
    for description in _descriptions(document):
        _set_simple(description, _TIFF, "Orientation", "1")
        for namespace, across, down in (
            (_TIFF, "ImageWidth", "ImageLength"),
            (_EXIF, "PixelXDimension", "PixelYDimension"),
        ):
            _set_simple(description, namespace, across, str(width))
            _set_simple(description, namespace, down, str(height))
        _remove(description, _XMP, "Thumbnails")
        _remove(description, _NOTE, "HasExtendedXMP")
        if provenance:
            _remove(description, NAMESPACE, None)
    if provenance:
        _add(document, provenance)
    body = "".join(
        node.toxml() for node in document.childNodes if node.nodeType != minidom.Node.PROCESSING_INSTRUCTION_NODE
    )
    return (_BEGIN + body + _END).encode("utf-8")


def _descriptions(document: minidom.Document | None) -> list[minidom.Element]:
    return [] if document is None else list(document.getElementsByTagNameNS(_RDF, "Description"))


def _text(node: minidom.Node) -> str:
    return "".join(
        child.data for child in node.childNodes if child.nodeType in (child.TEXT_NODE, child.CDATA_SECTION_NODE)
    )


def _matching(description: minidom.Element, namespace: str, name: str | None) -> list[minidom.Element]:
    return [
        child
        for child in description.childNodes
        if isinstance(child, minidom.Element)
        and child.namespaceURI == namespace
        and (name is None or child.localName == name)
    ]


def _set_simple(description: minidom.Element, namespace: str, name: str, value: str) -> None:
    """Change a simple property that is there, as attribute or as element."""
    attribute = description.getAttributeNodeNS(namespace, name)
    if attribute is not None:
        attribute.value = value
    for child in _matching(description, namespace, name):
        while child.firstChild is not None:
            child.removeChild(child.firstChild)
        child.appendChild(description.ownerDocument.createTextNode(value))  # type: ignore[union-attr]


def _remove(description: minidom.Element, namespace: str, name: str | None) -> None:
    for attribute in list(description.attributes.values()):
        if attribute.namespaceURI == namespace and name in (None, attribute.localName):
            description.removeAttributeNode(attribute)
    for child in _matching(description, namespace, name):
        description.removeChild(child)


def _add(document: minidom.Document, provenance: Mapping[str, str]) -> None:
    root = document.getElementsByTagNameNS(_RDF, "RDF")[0]
    prefix = root.prefix or "rdf"
    known = _descriptions(document)
    about = known[0].getAttributeNS(_RDF, "about") if known else ""  # all descriptions must be about the same thing
    for old in known:
        empty = not old.childNodes and all(a.namespaceURI in (_RDF, _XMLNS) for a in old.attributes.values())
        if empty and old.parentNode is root:
            root.removeChild(old)
    description = document.createElementNS(_RDF, f"{prefix}:Description")
    description.setAttributeNS(_RDF, f"{prefix}:about", about)
    description.setAttributeNS(_XMLNS, "xmlns:finesight", NAMESPACE)
    if not root.prefix:
        description.setAttributeNS(_XMLNS, f"xmlns:{prefix}", _RDF)
    for key, value in provenance.items():
        element = document.createElementNS(NAMESPACE, f"finesight:{_as_name(key)}")
        element.appendChild(document.createTextNode(_as_text(value)))
        description.appendChild(element)
    root.appendChild(description)


def _as_name(key: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", key)
    return name if re.match(r"[A-Za-z_]", name) else "_" + name


def _as_text(value: str) -> str:
    """Characters that XML cannot hold become question marks."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", str(value))
