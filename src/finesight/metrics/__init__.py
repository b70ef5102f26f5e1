"""Measures of quality: pure functions of batches that give one value per picture. Nothing here loads a file.

Pictures are (N, C, H, W) in [0, 1]. Averaging over pictures is a separate step (``finesight.evaluate``).
"""

from finesight.metrics.brisque import brisque, brisque_features, brisque_scaled
from finesight.metrics.colour import luma
from finesight.metrics.cw_ssim import cw_ssim
from finesight.metrics.fsim import fsim
from finesight.metrics.gmsd import gmsd
from finesight.metrics.ms_ssim import ms_ssim
from finesight.metrics.niqe import NiqeModel, fit_niqe, niqe, niqe_features
from finesight.metrics.piqe import piqe, piqe_report
from finesight.metrics.psnr import mse, psnr
from finesight.metrics.ssim import ssim, ssim_blue
from finesight.metrics.vif import vif, vif_pixel

__all__ = [
    "NiqeModel",
    "brisque",
    "brisque_features",
    "brisque_scaled",
    "cw_ssim",
    "fit_niqe",
    "fsim",
    "gmsd",
    "luma",
    "ms_ssim",
    "mse",
    "niqe",
    "niqe_features",
    "piqe",
    "piqe_report",
    "psnr",
    "ssim",
    "ssim_blue",
    "vif",
    "vif_pixel",
]
