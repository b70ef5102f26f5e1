"""Cutting out: alpha from a picture and a trimap, the colours that belong to it, and what can be made of both."""

from finesight.run.matting.closed_form import closed_form_alpha
from finesight.run.matting.matter import DEFAULT_MODEL, Matte, Matter, MatteReport, matte
from finesight.run.matting.trimaps import made_trimap, read_trimap

__all__ = [
    "DEFAULT_MODEL",
    "Matte",
    "MatteReport",
    "Matter",
    "closed_form_alpha",
    "made_trimap",
    "matte",
    "read_trimap",
]
