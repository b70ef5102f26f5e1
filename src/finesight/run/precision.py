"""Half precision where it does no harm: layers that see the image itself, and the last ones, stay float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["DTYPES", "LARGEST_ERROR", "lower", "lower_between", "native", "root_mean_square"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

LARGEST_ERROR = 0.5
"""RMS difference to float32 in grey levels of 255 up to which a lower precision is taken by itself."""

_PROBE = 24


def native(device: torch.device) -> tuple[str, ...]:
    """The lower precisions that ``device`` computes faster than float32, best first.

    CPUs: bfloat16 with AVX512-BF16, AMX or the Arm instructions that oneDNN needs for it. NVIDIA: float16 from compute
    capability 7.0 on (bfloat16 is no faster and less exact). Apple and Intel GPUs: float16.
    """
    if device.type == "cpu":
        found = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        instructions: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # since torch 2.11
        if "avx512_bf16" in instructions:  # an x86 CPU; oneDNN emulates bfloat16 from AVX512 on, without being faster
            found = found and bool(instructions["avx512_bf16"] or instructions.get("amx_bf16"))
        return ("bfloat16",) if found else ()
    if device.type == "cuda":
        return ("float16",) if torch.cuda.get_device_capability(device) >= (7, 0) else ()
    return ("float16",)


def root_mean_square(answer: Tensor, reference: Tensor) -> float:
    """RMS difference in grey levels of 255, of pictures clipped to [0, 1]."""
    return (answer.detach().clamp(0, 1) - reference.detach().clamp(0, 1)).square().mean().sqrt().item() * 255


def lower(
    network: nn.Module,
    dtype: torch.dtype,
    *,
    channels: int = 3,
    side: int = _PROBE,
    part: nn.Module | None = None,
) -> nn.Module:
    """Bring the inner layers of ``network`` to ``dtype``, in place; it still takes and gives float32.

    One small picture goes through to see in which order the layers are used. Layers that see the image itself (as many
    channels as it has) and everything from the last layer with a kernel on stay float32; their inputs are brought back.
    So a global skip of the image never leaves float32. Inputs of all other layers with parameters are brought to
    ``dtype``, and what a float32 layer hands directly to one of them, so that a chain of residual blocks is not
    float32 throughout.

    Args:
        network: in evaluation mode, on its device.
        channels, side: of the picture that goes through; ``side`` is at least the network's ``minimum``.
        part: of the network, the only one to be changed.
    """
    owners = [m for m in (part or network).modules() if any(p is not None for p in m._parameters.values())]
    if not owners:
        return network
    order, sees_image, hands = _order(network, owners, channels, side)
    kernels = [i for i, m in enumerate(order) if any(p is not None and p.dim() > 1 for p in m._parameters.values())]
    if not kernels:
        return network
    last = {id(module) for module in order[kernels[-1] :]}
    kept = sees_image | last | {id(order[kernels[0]])}
    lowered = {id(module) for module in owners} - kept
    for module in owners:
        wanted = torch.float32 if id(module) in kept else dtype
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter.is_floating_point():
                module._parameters[name] = nn.Parameter(parameter.detach().to(wanted), requires_grad=False)
        module.register_forward_pre_hook(_CastInputs(wanted))
        if id(module) in kept - last and hands.get(id(module), set()) & lowered:
            module.register_forward_hook(_CastOutput(dtype))
    return network


def lower_between(layers: Sequence[nn.Module], dtype: torch.dtype) -> None:
    """Bring all of a chain of layers but the last to ``dtype``, in place; inputs are brought to each layer's own."""
    for layer in layers[:-1]:
        layer.to(dtype).register_forward_pre_hook(_CastInputs(dtype))
    layers[-1].register_forward_pre_hook(_CastInputs(torch.float32))


def _order(
    network: nn.Module, owners: list[nn.Module], channels: int, side: int
) -> tuple[list[nn.Module], set[int], dict[int, set[int]]]:
    """In which order layers are used, which see as many channels as the image has, and to which they hand their answer.

    Layers are named by their ``id``, except in the order.
    """
    order: list[nn.Module] = []
    sees_image: set[int] = set()
    hands: dict[int, set[int]] = {}
    given: list[tuple[Any, int]] = []  # every answer, kept alive, with the id of its layer

    def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        order.append(module)
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].dim() == 4 and inputs[0].shape[1] == channels:
            sees_image.add(id(module))
        for answer, giver in given:
            if inputs and inputs[0] is answer:
                hands.setdefault(giver, set()).add(id(module))

    def keep(module: nn.Module, _: tuple[Any, ...], answer: Any) -> None:
        given.append((answer, id(module)))

    handles = [module.register_forward_pre_hook(note) for module in owners]
    handles += [module.register_forward_hook(keep) for module in owners]
    try:
        with torch.no_grad():
            network(torch.full((1, channels, side, side), 0.5, device=next(network.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
    return order, sees_image, hands


class _CastInputs:
    """A hook that brings every floating point input to a layer's own precision."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __call__(self, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(v.to(self.dtype) if isinstance(v, Tensor) and v.is_floating_point() else v for v in inputs)


class _CastOutput:
    """A hook that brings what a layer gives to another precision."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __call__(self, _: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
        return output.to(self.dtype) if isinstance(output, Tensor) else output
