"""Fills holes of pictures of any size: masks of every kind, windows around holes, coarse to fine."""

from finesight.run.inpainting.inpainter import DEFAULT_MODEL, Inpainter, inpaint, missing_pixels, opaque_where
from finesight.run.inpainting.report import InpaintReport

__all__ = ["DEFAULT_MODEL", "InpaintReport", "Inpainter", "inpaint", "missing_pixels", "opaque_where"]
