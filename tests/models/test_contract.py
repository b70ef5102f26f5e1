"""What every network promises, whatever it is for. A new architecture needs an entry in ``tests/models/tiny.py``."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from finesight.models.table import NETWORKS
from finesight.nn.traits import Port, Traits
from finesight.run.fuse import fuse
from finesight.zoo.tensors import load_tensors
from tests.halo import measured_halo
from tests.models.tiny import TINY, Tiny, outputs_of

ORACLES = Path(__file__).resolve().parent.parent / "oracles"


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small are slower on two threads, and much slower where the cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def under(law: str) -> list[object]:
    """Every architecture that is not exempt from ``law``."""
    return [
        pytest.param(name, entry, id=name, marks=[pytest.mark.large] if entry.large else [])
        for name, entry in TINY.items()
        if name in NETWORKS and law not in entry.exempt
    ]


def traits_of(network: nn.Module) -> Traits:
    traits = network.traits
    assert isinstance(traits, Traits)
    return traits


def close(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        error = (one.double() - other.double()).abs().max() / other.double().abs().max().clamp(min=1e-12)
        assert error <= tolerance, f"differs by {error:.1e} of the largest value"


@torch.inference_mode()
def answer(network: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    return outputs_of(network(*inputs))


def test_every_architecture_is_here() -> None:
    assert sorted(set(NETWORKS) - set(TINY)) == [], "add an entry to tests/models/tiny.py"
    assert sorted(set(TINY) - set(NETWORKS)) == []


def test_every_architecture_has_a_reference() -> None:
    from tests.oracles.check import cases
    from tests.oracles.reader import Oracle

    table = cases()
    published = {Oracle.load(path).model for path in sorted(ORACLES.glob("*/*.npz"))}
    for name, entry in TINY.items():
        if entry.oracle:
            assert entry.oracle in table, f"{name}: no case in tests/oracles/cases answers for '{entry.oracle}'"
            assert entry.elsewhere or entry.oracle in published, (
                f"{name}: no file under tests/oracles is of '{entry.oracle}'"
            )


@pytest.mark.parametrize(("name", "entry"), under("sizes"))
def test_traits_tell_the_outputs(name: str, entry: Tiny) -> None:
    network = entry.build(name)
    traits = traits_of(network)
    for size in entry.sizes:
        assert traits.minimum <= min(size)
        found = answer(network, entry.inputs_of(network, 2, size))
        ports = traits.outputs
        if traits.kind == "query":  # forward's default scale
            ports = tuple(replace(port, ratio=Fraction(4)) for port in ports)
        assert len(found) == len(ports)
        for tensor, port in zip(found, ports, strict=True):
            assert tensor.isfinite().all()
            if port.space == "grid":
                assert tensor.shape[-3] == port.channels
                if traits.task == "features":  # strides without padding lose part of a pixel
                    assert all(abs(a - b * port.ratio) < 2 for a, b in zip(tensor.shape[-2:], size, strict=True))
                else:
                    assert tensor.shape[-2:] == (ceil(size[0] * port.ratio), ceil(size[1] * port.ratio))
            elif port.space == "vector" and traits.kind != "score":
                assert tensor.shape == (2, port.channels)
            elif traits.kind == "score":
                assert tensor.shape == (2,)


@pytest.mark.parametrize(("name", "entry"), under("batch"))
def test_a_batch_is_its_pictures_one_by_one(name: str, entry: Tiny) -> None:
    network = entry.build(name)
    inputs = entry.inputs_of(network, 3, entry.sizes[0])
    together = answer(network, inputs)
    alone = [answer(network, tuple(tensor[i : i + 1] for tensor in inputs)) for i in range(3)]
    close(together, [torch.cat(parts) for parts in zip(*alone, strict=True)], entry.tolerance)


@pytest.mark.parametrize(("name", "entry"), under("repeat"))
def test_a_second_call_is_equal_and_inputs_stay(name: str, entry: Tiny) -> None:
    network = entry.build(name)
    first, second = (entry.inputs_of(network, 2, size) for size in (entry.sizes[0], entry.sizes[-1]))
    kept = [tensor.clone() for tensor in first]
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    expected = [tensor.clone() for tensor in answer(network, first)]
    answer(network, second)  # nothing of another call may remain
    for found, same in zip(answer(network, first), expected, strict=True):
        assert torch.equal(found, same)
    assert all(torch.equal(tensor, same) for tensor, same in zip(first, kept, strict=True))
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize(("name", "entry"), under("gradient"))
def test_gradient_reaches_every_parameter_and_the_input(name: str, entry: Tiny) -> None:
    network = entry.build(name).train()
    inputs = tuple(tensor.requires_grad_() for tensor in entry.inputs_of(network, 2, entry.sizes[0]))
    generator = torch.Generator().manual_seed(0)
    outputs = outputs_of(network(*inputs))
    torch.stack([(out * torch.randn(out.shape, generator=generator)).sum() for out in outputs]).sum().backward()
    silent = [
        key
        for key, parameter in network.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.abs().max() > 0)
    ]
    assert silent == []
    for tensor in inputs:
        assert tensor.grad is not None
        assert tensor.grad.abs().max() > 0


@pytest.mark.parametrize(("name", "entry"), under("saved"))
def test_saved_and_loaded_is_the_same(name: str, entry: Tiny, tmp_path: Path) -> None:
    network = entry.build(name)
    inputs = entry.inputs_of(network, 1, entry.sizes[0])
    save_file({key: tensor.clone() for key, tensor in network.state_dict().items()}, tmp_path / "weights.safetensors")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12)
        other = type(network)(**entry.arguments).eval()
    load_tensors(other, load_file(tmp_path / "weights.safetensors"))
    for found, expected in zip(answer(other, inputs), answer(network, inputs), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize(("name", "entry"), under("halo"))
def test_halo_is_exact(name: str, entry: Tiny) -> None:
    network = entry.build(name)
    traits = traits_of(network)
    if traits.halo is None:
        assert traits.halo_reason
        return
    if traits.kind == "query":
        network = AtTwice(network)
    assert measured_halo(network) == traits.halo


class AtTwice(nn.Module):
    """A network of any scale, asked for twice the size."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.traits = replace(traits_of(network), kind="image", scale=2, outputs=(Port("image", ratio=Fraction(2)),))

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.network(image, scale=2.0)
        return found


@pytest.mark.parametrize(("name", "entry"), under("fused"))
def test_fused_is_the_same_function(name: str, entry: Tiny) -> None:
    network = entry.build(name)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    cheaper = fuse(network)
    for size in entry.sizes:
        inputs = entry.inputs_of(network, 2, size)
        close(answer(cheaper, inputs), answer(network, inputs), entry.tolerance)
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize(("name", "entry"), under("bfloat16"))
def test_bfloat16_is_near(name: str, entry: Tiny) -> None:
    network = entry.build(name)
    inputs = entry.inputs_of(network, 1, entry.sizes[0])
    half = copy.deepcopy(network).bfloat16()
    close(answer(half, tuple(tensor.bfloat16() for tensor in inputs)), answer(network, inputs), entry.bfloat16)


@pytest.mark.parametrize(("name", "entry"), under("channels_last"))
def test_channels_last_is_the_same(name: str, entry: Tiny) -> None:
    network = entry.build(name)
    inputs = entry.inputs_of(network, 2, entry.sizes[0])
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    arranged = tuple(t.to(memory_format=torch.channels_last) if t.ndim == 4 else t for t in inputs)
    close(answer(last, arranged), answer(network, inputs), entry.tolerance)


@pytest.mark.parametrize(("name", "entry"), under("export"))
def test_exported_is_the_same(name: str, entry: Tiny) -> None:
    network = entry.build(name)
    inputs = entry.inputs_of(network, 1, entry.sizes[0])
    with torch.no_grad():
        program = torch.export.export(network, inputs)
    close(answer(program.module(), inputs), answer(network, inputs), entry.tolerance)
