"""Measures how many bytes of tensors live at once while something runs, on any device, the CPU among them.

The memory of a process is mostly its libraries (some 500 MB with torch, before any tensor), and its allocator keeps
what was freed; what a plan reckons is the tensors. Every operation passes through a dispatch mode, which notes each
storage that comes out of it until nothing refers to it any more. What an operation takes and gives back inside itself
(a kernel's scratch space) is not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn


class Peak:
    """The bytes that live now, and the most that did at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self._known: dict[int, tuple[weakref.ref[Any], int]] = {}  # of storages, by the place of the Python object

    def note(self, tensors: Iterable[torch.Tensor]) -> None:
        """Count the storages of some tensors, each once, as long as it lives."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            place, size = id(storage), storage.nbytes()
            held = self._known.get(place)
            if held is not None and held[0]() is storage:
                self._known[place] = (held[0], size)  # it may have been resized where it lies
                self._changed(size - held[1])
                continue
            self._known[place] = (weakref.ref(storage, partial(self._gone, place)), size)
            self._changed(size)

    def _gone(self, place: int, ref: weakref.ref[Any]) -> None:
        held = self._known.get(place)
        if held is not None and held[0] is ref:
            del self._known[place]
            self._changed(-held[1])

    def _changed(self, by: int) -> None:
        self.now += by
        self.most = max(self.most, self.now)


@contextmanager
def measured(*held: nn.Module) -> Iterator[Peak]:
    """Count tensors while a block runs.

    Args:
        held: models whose weights, buffers and gradients live already, and are counted from the start.

    Yields:
        The count: `.most` is the peak, in bytes.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    peak = Peak()

    class Counting(TorchDispatchMode):  # type: ignore[misc]  # torch is not seen by mypy
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # torch's form
            returned = func(*args, **(kwargs or {}))
            peak.note(each for each in tree_leaves(returned) if isinstance(each, torch.Tensor))
            return returned

    for module in held:
        peak.note(tensor_parts(module))
    with Counting():
        yield peak


def tensor_parts(module: nn.Module) -> Iterator[torch.Tensor]:
    """A model's weights, buffers, the gradients of both, and what quantised weights keep beside them."""
    import torch

    for each in (*module.parameters(), *module.buffers()):
        yield each.data
        if each.grad is not None:
            yield each.grad
        state = getattr(each, "quant_state", None)
        for part in (state, getattr(state, "state2", None)) if state is not None else ():
            found = (getattr(part, name, None) for name in ("absmax", "code", "offset"))
            yield from (tensor for tensor in found if isinstance(tensor, torch.Tensor))


def tensor_bytes(model: nn.Module, optimiser: torch.optim.Optimizer | None = None) -> int:
    """Bytes that a model and an optimiser hold at rest: weights, gradients, and the optimiser's state."""
    import torch
    from torch.utils._pytree import tree_leaves

    peak = Peak()
    peak.note(tensor_parts(model))
    if optimiser is not None:
        peak.note(each for each in tree_leaves(optimiser.state_dict()["state"]) if isinstance(each, torch.Tensor))
    return peak.now
