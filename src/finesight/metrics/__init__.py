"""Measures of quality: pure functions of batches that give one value per picture. Nothing here loads a file.

Pictures are (N, C, H, W) in [0, 1]. Averaging over pictures is a separate step (``finesight.evaluate``).
"""

from finesight.metrics.colour import luma
from finesight.metrics.psnr import mse, psnr
from finesight.metrics.ssim import ssim, ssim_blue

__all__ = ["luma", "mse", "psnr", "ssim", "ssim_blue"]
