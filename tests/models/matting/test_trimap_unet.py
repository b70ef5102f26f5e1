"""The network whose weights ship: its colours, its halo, and what it gives before training."""

from __future__ import annotations

import numpy as np
import torch

from finesight.data.matting_drawn import drawn_alpha
from finesight.data.matting_source import loose_trimap
from finesight.models.matting.trimap_unet import TrimapUnet, spread_colours
from finesight.nn.colour_lines import spread_alpha
from finesight.run.matting import closed_form_alpha
from tests.models.matting.test_halo import AllUnknown, farthest

GENERATOR = torch.Generator().manual_seed(2)


def test_known_colours_stay_and_spread() -> None:
    image = torch.rand(1, 3, 64, 64, generator=GENERATOR)
    known = torch.zeros(1, 1, 64, 64)
    known[..., 20:24, 20:24] = 1
    image[..., 20:24, 20:24] = torch.tensor([0.1, 0.5, 0.9]).view(3, 1, 1)
    spread = spread_colours(image, known, levels=6)
    torch.testing.assert_close(spread[..., 20:24, 20:24], image[..., 20:24, 20:24])
    torch.testing.assert_close(spread, torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1).expand_as(spread))
    assert (spread_colours(image, known * 0, levels=6) == 0.5).all(), "nothing known: the middle grey"


def test_nearest_of_two_colours_is_taken() -> None:
    image, known = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    known[..., :8], known[..., -8:] = 1, 1
    image[..., -8:] = 1
    spread = spread_colours(image, known)
    assert float(spread[..., 10].max()) < 0.2
    assert float(spread[..., 53].min()) > 0.8


def test_colours_alone_find_alpha_between_them() -> None:
    """What the network is given solves the easy case: two plain colours."""
    truth = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    image = torch.cat((0.2 + 0.6 * truth, 0.9 - 0.7 * truth, 0.4 + 0.1 * truth), dim=1)
    trimap = torch.ones(1, 1, 64, 64)
    trimap[..., :4], trimap[..., -4:] = 0, 2
    for first, most in (("between", 0.1), ("closed-form", 0.15)):
        seen = TrimapUnet(widths=(2, 2, 2, 2), detail=2, first=first).seen(image, trimap)  # type: ignore[arg-type]
        assert float((seen[:, 12:13] - truth)[..., 4:-4].abs().max()) < most, first
        assert float(seen[:, 13:].max()) < 0.1, "no colour lies beside the line"


def test_answers_stay_in_range_with_a_gradient_beyond() -> None:
    network = TrimapUnet(widths=(2, 2, 2, 2), detail=2).eval()
    with torch.no_grad():
        network.correct.weight.zero_()
        network.correct.bias.copy_(torch.tensor([7.0, -20.0]))  # type: ignore[union-attr]
    alpha = network(torch.rand(1, 3, 9, 13, generator=GENERATOR), torch.ones(1, 1, 9, 13))
    assert (alpha == 1).all()
    alpha.sum().backward()
    assert float(network.correct.bias.grad[0]) > 0  # type: ignore[index]


def test_halo() -> None:
    network = TrimapUnet(widths=(2, 2, 2, 2), detail=2, dilations=(1,), levels=4, first="between")
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            tensor.uniform_(0.5, 1, generator=GENERATOR).div_(tensor[0].numel())
        elif name.endswith("bias"):
            tensor.fill_(0.1)
    unknown = AllUnknown(network.eval())
    found = farthest(unknown, (0, 5, 15))
    assert network.traits.halo is not None
    assert network.traits.halo - 2**5 <= found <= network.traits.halo, "without known colours it looks less far"


def test_colour_lines_are_those_of_closed_form_matting() -> None:
    alpha = torch.from_numpy(drawn_alpha(np.random.default_rng(6), 64, "defocus"))[None, None]
    trimap = loose_trimap(alpha, 2, 2)
    front, back = (torch.tensor(colour).view(1, 3, 1, 1) for colour in ((0.8, 0.2, 0.1), (0.2, 0.4, 0.9)))
    image = alpha * front + (1 - alpha) * back
    planes = (trimap == 2).float(), (trimap == 1).float()
    near, exact = spread_alpha(image, *planes, tolerance=1e-5), closed_form_alpha(image, trimap, epsilon=1e-6)
    assert float((near - exact).abs().mean()) < 2e-3
    pair = spread_alpha(
        torch.cat((image, image.flip(-1))), *(torch.cat((p, p.flip(-1))) for p in planes), tolerance=1e-5
    )
    torch.testing.assert_close(pair[1:].flip(-1), near, atol=5e-3, rtol=0)
    assert torch.equal(near[trimap != 1], (trimap[trimap != 1] == 2).float())
