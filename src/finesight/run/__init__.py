"""Runs a network on real pictures: tiles, memory, devices, precision, engines."""

from finesight.run.choose import choose_models
from finesight.run.faces import find_landmarks
from finesight.run.report import Estimate, Report
from finesight.run.upscaler import Upscaler, upscale

__all__ = ["Estimate", "Report", "Upscaler", "choose_models", "find_landmarks", "upscale"]
