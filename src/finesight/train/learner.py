"""A network together with what changes it: its optimizer, learning rate, gradient scaling and clipping."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.train.processes import Processes
from finesight.train.schedules import Falling, learning_rate
from finesight.train.settings.optimizer import GroupSettings, OptimizerSettings

__all__ = ["Learner", "make_optimizer"]

_PLAIN = GroupSettings(prefix="")
_CALM = 2000  # float16: steps without overflow after which the loss is scaled twice as high


def make_optimizer(network: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer with one group of parameters for each group of the settings, and one for the rest.

    Raises:
        SettingError: a prefix fits no parameter, or nothing is left to learn.
    """
    known = [*settings.groups, _PLAIN]
    members: list[list[nn.Parameter]] = [[] for _ in known]
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            members[next(i for i, one in enumerate(known) if name.startswith(one.prefix))].append(parameter)
    for one, found in zip(known[:-1], members, strict=False):
        if not found:
            raise SettingError(f"optimizer.groups: no parameter of {type(network).__name__} begins with '{one.prefix}'")
    groups: list[dict[str, Any]] = []
    for one, found in zip(known, members, strict=True):
        decay = settings.weight_decay if one.weight_decay is None else one.weight_decay
        if found:
            groups.append({"params": found, "factor": one.factor, "from_step": one.from_step, "weight_decay": decay})
    if not groups:
        raise SettingError(f"{type(network).__name__} has no parameter that could learn")
    if settings.kind == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, fused=True)
    kind = torch.optim.AdamW if settings.kind == "adamw" else torch.optim.Adam
    return kind(groups, lr=settings.learning_rate, betas=settings.betas, eps=settings.epsilon, fused=True)


class Learner:
    """A network in training.

    Args:
        network: on its device, in training mode.
        settings: of its optimizer.
        steps: of the whole run.
        precision: of the forward pass; ``float16`` scales the loss so that small gradients survive.
        float32_steps: so many of the last steps are in float32 all the same.
        compiled: whether the forward pass goes through ``torch.compile``.
        processes: who learns with us.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: OptimizerSettings,
        *,
        steps: int,
        precision: str = "float32",
        float32_steps: int = 0,
        compiled: bool = False,
        processes: Processes | None = None,
    ) -> None:
        self.network, self.settings, self.steps = network, settings, steps
        self.optimizer = make_optimizer(network, settings)
        self.device = next(network.parameters()).device
        self.precision, self.float32_steps = precision, float32_steps
        self.processes = processes or Processes()
        self.scale, self.calm = 2.0**16 if precision == "float16" else 1.0, 0
        self.falling = Falling()
        self.called: Any = torch.compile(network) if compiled else network
        """What to call in place of ``network`` while training."""
        self.norm = math.nan
        """Norm of the last gradient, before clipping."""

    def begin(self, step: int) -> float:
        """Set what ``step`` needs (rates, which parameters learn) and forget the last gradient; gives the rate."""
        rate = learning_rate(self.settings, step, self.steps, falling=self.falling)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
            learns = step >= group["from_step"] and group["factor"] > 0
            for parameter in group["params"]:
                parameter.requires_grad_(learns)
        self.optimizer.zero_grad(set_to_none=True)
        return rate

    @contextmanager
    def autocast(self, step: int) -> Iterator[None]:
        """Compute the block in the precision of ``step``."""
        reduced = self.precision != "float32" and step < self.steps - self.float32_steps
        kind = torch.float16 if self.precision == "float16" else torch.bfloat16
        with torch.autocast(self.device.type, kind, enabled=reduced):
            yield

    @contextmanager
    def resting(self) -> Iterator[nn.Module]:
        """The network for gradients that pass through it but do not reach its parameters."""
        learning = [one for one in self.network.parameters() if one.requires_grad]
        for one in learning:
            one.requires_grad_(False)
        try:
            yield self.called
        finally:
            for one in learning:
                one.requires_grad_(True)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of ``loss``; without one (no parameter has a part in it) nothing happens."""
        if loss.requires_grad:
            (loss * self.scale if self.scale != 1 else loss).backward()

    def apply(self) -> bool:
        """Change the parameters by the gradient, summed over all processes; ``False`` if it was not finite.

        In float16 too large a scale of the loss is found by trying: it is halved, which is no sign of a sick network.
        """
        parameters = [one for one in self.network.parameters() if one.grad is not None]
        gradients = [one.grad for one in parameters if one.grad is not None]
        self.processes.add(gradients)
        if not gradients:
            return True
        if self.scale != 1:
            torch._foreach_mul_(gradients, 1 / self.scale)
        self.norm = float(torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip or math.inf))
        finite = math.isfinite(self.norm)
        if finite:
            self.optimizer.step()
        self._agree()
        if self.precision != "float16":
            return finite
        self.calm = self.calm + 1 if finite else 0
        searching = not finite and self.scale > 1
        if not finite:
            self.scale = max(1.0, self.scale / 2)
        elif self.calm >= _CALM:
            self.scale, self.calm = self.scale * 2, 0
        return finite or searching

    def _agree(self) -> None:
        """Statistics that every process has gathered from its own samples (batch norm) become their mean."""
        if self.processes.count > 1:
            gathered = [one for one in self.network.buffers() if one.is_floating_point()]
            self.processes.add(gathered)
            for one in gathered:
                one.div_(self.processes.count)

    def state(self) -> dict[str, Any]:
        """Everything to go on from."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scale": (self.scale, self.calm),
            "falling": vars(self.falling).copy(),
        }

    def load(self, content: dict[str, Any]) -> None:
        """Become what ``state`` described."""
        self.network.load_state_dict(content["network"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.scale, self.calm = content["scale"]
        vars(self.falling).update(content["falling"])
