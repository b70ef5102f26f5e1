"""Cheaper equivalent forms of trained networks."""

from __future__ import annotations

import copy

from torch import nn

__all__ = ["fuse"]


def fuse(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode in which every (sub)module that offers ``fused()`` is replaced by what it gives.

    ``fused()`` gives a new module with the same answers (branches summed into one convolution, batch normalisation
    folded, spectral norm multiplied in). An outer offer comes before the offers of its parts. ``traits`` are carried
    over; ``network`` stays as it is.
    """
    answer = _fused(copy.deepcopy(network).eval(), {})
    if not hasattr(answer, "traits") and hasattr(network, "traits"):
        answer.traits = network.traits
    return answer.eval().requires_grad_(False)


def _fused(module: nn.Module, done: dict[int, tuple[nn.Module, nn.Module]]) -> nn.Module:
    """``done`` keeps a module that is used at two places one module; it holds both, lest an identity be given again."""
    if id(module) in done:
        return done[id(module)][1]
    offer = getattr(module, "fused", None)
    answer = module
    if callable(offer):
        answer = offer()
        if not isinstance(answer, nn.Module):
            raise TypeError(f"{type(module).__name__}.fused() must give a module, gave {type(answer).__name__}")
    done[id(module)] = done[id(answer)] = (module, answer)
    for name, child in list(answer._modules.items()):
        if child is not None:
            answer._modules[name] = _fused(child, done)
    return answer
