"""The degradations by name; importing this loads nothing."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["DEGRADATIONS", "Degradation"]

Degradation = Literal[
    "real-esrgan",
    "real-esrgan-mmediting",
    "real-esrgan-weak",
    "bsrgan",
    "bsrgan-plus",
    "bsrgan-weak",
    "hggt",
    "hggt-enhance-noise",
    "hggt-enhance-blur",
    "glean-blind",
    "first-order",
    "bicubic",
    "test-bicubic",
    "test-blur2-bicubic",
    "test-bicubic-noise20",
    "test-bicubic-jpeg50",
    "test-blur2-bicubic-noise20",
    "test-blur2-bicubic-jpeg50",
    "test-bicubic-noise20-jpeg50",
    "test-blur2-bicubic-noise20-jpeg50",
]
"""Published ones, ``first-order`` of our own, and behind ``test-`` the eight test sets of the dropout paper."""

DEGRADATIONS: tuple[Degradation, ...] = get_args(Degradation)
