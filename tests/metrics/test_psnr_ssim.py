"""PSNR, SSIM and luma: by hand, against scikit-image, and laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from finesight.errors import InputError, SettingError
from finesight.metrics import luma, mse, psnr, ssim, ssim_blue
from finesight.metrics.filtering import correlate, gaussian

GENERATOR = torch.Generator().manual_seed(8)
TRUTH = torch.rand(3, 3, 40, 53, generator=GENERATOR)
RESTORED = (TRUTH + 0.1 * torch.randn(TRUTH.shape, generator=GENERATOR)).clamp(0, 1)


def test_mse_and_psnr_by_hand() -> None:
    truth = torch.zeros(2, 1, 3, 3)
    restored = truth.clone()
    restored[0, 0, 1, 1] = 0.3  # 0.09/9 = 0.01 -> 20 dB
    restored[1, 0, 0, 0] = 0.3
    assert torch.allclose(mse(restored, truth), torch.full((2,), 0.01, dtype=torch.float64))
    assert psnr(restored, truth).tolist() == pytest.approx([20, 20], abs=1e-5)
    cropped = psnr(restored, truth, border=1)
    assert float(cropped[0]) == pytest.approx(-20 * np.log10(0.3), abs=1e-5)
    assert cropped[1].isinf()


def test_agree_with_scikit_image() -> None:
    for index in range(3):
        first, second = (x[index].movedim(0, -1).double().numpy() for x in (RESTORED, TRUTH))
        assert float(psnr(RESTORED, TRUTH)[index]) == pytest.approx(
            peak_signal_noise_ratio(second, first, data_range=1), rel=1e-10
        )
        _, full = structural_similarity(
            second,
            first,
            data_range=1,
            channel_axis=-1,
            gaussian_weights=True,
            use_sample_covariance=False,
            sigma=1.5,
            full=True,
        )
        assert float(ssim(RESTORED, TRUTH)[index]) == pytest.approx(full[5:-5, 5:-5].mean(), rel=1e-9)


def test_peak_only_scales() -> None:
    assert torch.allclose(psnr(RESTORED * 255, TRUTH * 255, peak=255), psnr(RESTORED, TRUTH), rtol=1e-7)
    assert torch.allclose(ssim(RESTORED * 255, TRUTH * 255, peak=255), ssim(RESTORED, TRUTH), rtol=1e-6)


def test_a_batch_is_its_pictures_one_by_one() -> None:
    for metric in (psnr, ssim, ssim_blue, mse):
        together = metric(RESTORED, TRUTH, border=3)
        alone = torch.cat([metric(RESTORED[i : i + 1], TRUTH[i : i + 1], border=3) for i in range(3)])
        assert torch.allclose(together, alone, rtol=1e-12)


def test_blue_is_only_for_cropped_colour() -> None:
    assert torch.equal(ssim_blue(RESTORED, TRUTH, border=2), ssim(RESTORED[:, 2:], TRUTH[:, 2:], border=2))
    assert torch.equal(ssim_blue(RESTORED, TRUTH), ssim(RESTORED, TRUTH))


def test_clamp_only_where_the_structure_is_opposed() -> None:
    opposed = 1 - TRUTH
    assert float(ssim(opposed, TRUTH, clamp=True).min()) >= 0 > float(ssim(opposed, TRUTH).max())


def test_gradients_reach_the_picture() -> None:
    small = TRUTH[:1, :1, :12, :13].double()
    moved = (small + 0.05).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ssim(x, small), moved, fast_mode=True)
    assert torch.autograd.gradcheck(lambda x: psnr(x, small), moved, fast_mode=True)


def test_luma() -> None:
    corners = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0]]).reshape(3, 3, 1, 1)
    assert (luma(corners).flatten() * 255).tolist() == pytest.approx([16, 235, 81.481], abs=1e-4)
    assert (luma(corners, "gray-rounded").flatten() * 255).tolist() == pytest.approx([0, 255, 76], abs=1e-4)
    grey = TRUTH[:, :1]
    assert luma(grey) is grey
    with pytest.raises(SettingError, match="luma must be"):
        luma(TRUTH, "red")  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(11, 11), (12, 64), (75, 33), (43, 44)])
def test_filter_equals_a_convolution(size: tuple[int, int]) -> None:
    image = torch.rand(2, 2, *size, dtype=torch.float64, generator=GENERATOR)
    taps = torch.rand(11, dtype=torch.float64, generator=GENERATOR)
    kernel = (taps[:, None] * taps)[None, None]
    expected = torch.nn.functional.conv2d(image.flatten(0, 1).unsqueeze(1), kernel).reshape(2, 2, size[0] - 10, -1)
    assert torch.allclose(correlate(image, taps), expected, rtol=1e-12)
    assert float(gaussian(7, 2.0).sum()) == pytest.approx(1)


def test_what_cannot_be_compared_is_named() -> None:
    with pytest.raises(InputError, match=r"got 53x40 and 52x40"):
        psnr(TRUTH, TRUTH[..., :-1])
    with pytest.raises(InputError, match="one count and mode"):
        psnr(TRUTH, TRUTH[:, :1])
    with pytest.raises(InputError, match="SSIM needs pictures of at least 11x11 pixels, got 10x40"):
        ssim(TRUTH[..., :10], TRUTH[..., :10])
    with pytest.raises(InputError, match="at least 11x11"):
        ssim(TRUTH, TRUTH, border=15)
    with pytest.raises(InputError, match="nothing left"):
        psnr(TRUTH, TRUTH, border=20)
    with pytest.raises(SettingError, match="border"):
        psnr(TRUTH, TRUTH, border=-1)
    with pytest.raises(SettingError, match="uint8"):
        psnr((TRUTH * 255).byte(), TRUTH)
