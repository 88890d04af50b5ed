"""Holds the weights of a model near those that it began with: L2-SP and EWC.

Both are sums over weights of (how much each matters) x (how far it has moved)². L2-SP (Li, Grandvalet and Davoine
2018, eq. 2) counts every weight alike, EWC (Kirkpatrick et al. 2017, eq. 3) by its Fisher information.

Where all weights are trained, the start is a copy of them. Under an adapter what counts is how far the *product's*
weights have gone from the base's, not where the adapter's own factors stand (many of which make the same product): for
a LoRA B A scaled by s the squared distance is s² sum((BᵀB) * (A Aᵀ)), r x r numbers, so that neither a copy of the base
nor the product is ever built. EWC weighs the entry (i, j) by out_i x in_j there (gate.training.fisher), which puts the
same two vectors into the same formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gate.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module, Parameter

    from gate.training.fisher import Factors


@dataclass(frozen=True)
class Piece:
    """A part of the weights, and the weighted squared distance that it has gone."""

    name: str
    parameters: list[Parameter]
    distance: Callable[[], Tensor]
    """Sum of importance x (now - start)², a scalar with a graph."""


class Anchor:
    """Weights, and where they were.

    Args:
        weight: of the penalty, weight / 2 x distance.
    """

    def __init__(self, pieces: list[Piece], weight: float) -> None:
        self._pieces, self._weight = pieces, weight

    def pull(self, scale: float = 1.0) -> Tensor:
        """Add the penalty's gradient (times `scale`) to the parameters' own; a piece at a time, so that no graph as
        large as the model is built.

        Returns:
            The distance: half of it times the weight is the penalty.
        """
        import torch

        total = None
        for piece in self._pieces:
            with torch.enable_grad():
                distance = piece.distance()
            grads = torch.autograd.grad(distance * (self._weight / 2 * scale), piece.parameters, allow_unused=True)
            for parameter, grad in zip(piece.parameters, grads, strict=True):
                if grad is None:
                    continue
                parameter.grad = grad if parameter.grad is None else parameter.grad.add_(grad)
            total = distance.detach() if total is None else total + distance.detach()
        assert total is not None
        return total

    def penalty(self, distance: Tensor) -> Tensor:
        """What a distance costs."""
        return distance * (self._weight / 2)


def anchor(model: Module, method: str, weight: float, key: str, importance: Mapping[str, Any] | None = None) -> Anchor:
    """Hold a model to the weights that it has now.

    Args:
        method: the recipe's.
        weight: of the penalty.
        key: of the recipe, for errors.
        importance: of each weight, by the names of `pieces` (gate.training.fisher); None: all alike.

    Raises:
        UsageError: nothing of the base is trained by this method.
    """
    if method in ("prefix", "ptuning", "head", "adapter"):
        raise UsageError(
            f"{key}: under `{method}` no weight of the base moves, so there is nothing to hold",
            where="recipe",
            remedy="leave it out; `kl` holds what the model says",
        )
    pieces = list(_adapter_pieces(model, importance) if hasattr(model, "peft_config") else _pieces(model, importance))
    if not pieces:
        raise UsageError(f"{key}: no weight that came with the base is trained", where="recipe", remedy="leave it out")
    return Anchor(pieces, weight)


def begun(model: Module) -> list[tuple[str, Parameter]]:
    """The trained parameters that came with the base: all but those of a new head, which starts from chance."""
    new = {id(each) for name in ("score", "classifier") for each in _parameters(getattr(model, name, None))}
    return [(name, each) for name, each in model.named_parameters() if each.requires_grad and id(each) not in new]


def _parameters(module: Module | None) -> list[Parameter]:
    return [] if module is None else list(module.parameters())


def _pieces(model: Module, importance: Mapping[str, Tensor] | None) -> Iterator[Piece]:
    for name, parameter in begun(model):
        start = parameter.detach().clone()
        weight = None if importance is None else importance[name]
        yield Piece(name, [parameter], _moved(parameter, start, weight))


def _moved(now: Parameter, start: Tensor, weight: Tensor | None) -> Callable[[], Tensor]:
    def distance() -> Tensor:
        squared = (now.float() - start.to(now.device).float()).square()
        return squared.sum() if weight is None else (squared * weight.to(now.device)).sum()

    return distance


def adapted(model: Module) -> Iterator[tuple[str, Any]]:
    """The layers that an adapter changes, by name: peft's LoRA and IA3 layers."""
    from peft.tuners.ia3 import IA3Layer
    from peft.tuners.lora import LoraLayer

    for name, module in model.named_modules():
        if isinstance(module, (LoraLayer, IA3Layer)):
            yield name, module


def _adapter_pieces(model: Module, importance: Mapping[str, Factors] | None) -> Iterator[Piece]:
    from peft.tuners.ia3 import IA3Layer

    for name, layer in adapted(model):
        factors = None if importance is None else importance[name]
        (adapter,) = layer.active_adapters
        if isinstance(layer, IA3Layer):
            yield Piece(name, [layer.ia3_l[adapter]], _rescaled(layer, layer.ia3_l[adapter], factors))
            continue
        if adapter not in layer.lora_A:
            raise UsageError(
                f"{name}: how far an adapted {type(layer.get_base_layer()).__name__} has moved is not known here",
                remedy="name linear layers in `targets`, or hold the model by `kl`",
            )
        magnitude = layer.lora_magnitude_vector if adapter in layer.lora_magnitude_vector else None
        parameters = [layer.lora_A[adapter].weight, layer.lora_B[adapter].weight]
        if magnitude is not None:
            parameters.append(magnitude[adapter].weight)
        yield Piece(name, parameters, _product(layer, adapter, parameters, factors))


def _product(layer: Any, adapter: str, parameters: list[Parameter], factors: Factors | None) -> Callable[[], Tensor]:
    """Of LoRA, and of DoRA: W' = m (W + s B A) / |W + s B A|, rows apart, is c_i W_i + c_i s (B A)_i."""
    weights = None if len(parameters) == 2 else _base_weight(layer)
    out, into = _vectors(factors, parameters[0])

    def distance() -> Tensor:
        a, b, scaling = parameters[0].float(), parameters[1].float(), layer.scaling[adapter]
        update = ((b @ ((a * into) @ a.T)) * b).sum(1) * scaling**2  # of each row, weighted over its columns
        if weights is None:
            return (update * out).sum()
        base = weights().float()
        plain = ((b @ (a @ a.T)) * b).sum(1) * scaling**2
        norm = (base.square().sum(1) + 2 * scaling * ((base @ a.T) * b).sum(1) + plain).sqrt()
        c = parameters[2].float().reshape(-1) / norm
        across = scaling * (((base * into) @ a.T) * b).sum(1)
        own = (base.square() * into).sum(1)
        return (((c - 1).square() * own + 2 * (c - 1) * c * across + c.square() * update) * out).sum()

    return distance


def _rescaled(layer: Any, scale: Parameter, factors: Factors | None) -> Callable[[], Tensor]:
    """Of IA3: rows (or, of a feed-forward layer's input, columns) of W times l."""
    base = _base_weight(layer)().float().square()
    if factors is not None:
        base = base * factors.out.to(base.device)[:, None] * factors.into.to(base.device)
    sums = base.sum(0) if layer.is_feedforward else base.sum(1)
    return lambda: ((scale.float().reshape(-1) - 1).square() * sums).sum()


def _vectors(factors: Factors | None, like: Tensor) -> tuple[Tensor | float, Tensor | float]:
    return (1.0, 1.0) if factors is None else (factors.out.to(like.device), factors.into.to(like.device))


def _base_weight(layer: Any) -> Callable[[], Tensor]:
    """The frozen weight (out x in) below an adapter, unpacked where it is kept in few bits."""
    from peft.utils.integrations import dequantize_module_weight

    def weight() -> Tensor:
        found: Tensor = dequantize_module_weight(layer.get_base_layer()).detach()
        return found.T if getattr(layer, "fan_in_fan_out", False) else found  # GPT-2 keeps in x out

    return weight
