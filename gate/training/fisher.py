"""The Fisher information: how much an old task needs each weight, for elastic weight consolidation.

It is the *true* Fisher information, whose labels are drawn from the model's own predictions, not the "empirical" one
with the labels of the data, which measures how badly the model does (Kunstner, Hennig and Balles 2019, section 2.2).
Contexts are those of the examples; at every learned token one label is drawn, so that the sum over tokens is unbiased.

Where all weights are trained it is its diagonal, as in Kirkpatrick et al. 2017: the mean over examples of squared
gradients. Under an adapter the base's weights get no gradients; of each adapted layer the squares of what comes in and
of the gradient of what goes out are averaged over tokens, and the entry (i, j) of the diagonal is taken to be
out_i x into_j: the diagonal of a Kronecker-factored Fisher information (Martens and Grosse 2015, eq. 13; used against
forgetting by Ritter, Botev and Barber 2018), which is two vectors a layer instead of a matrix.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gate.errors import UsageError
from gate.training.anchors import adapted, begun
from gate.training.lock import open_again
from gate.training.run_file import Run

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

FILE = "fisher.safetensors"
"""In the run's folder, with what it was estimated from in the file's own metadata."""

Labels = Literal["drawn", "given"]
"""drawn: from the model's predictions, the true Fisher information; given: the data's, the empirical one."""
Batch = Mapping[str, "Tensor"]


@dataclass(frozen=True, slots=True)
class Factors:
    """Of an adapted layer: the entry (i, j) of the diagonal is out_i x into_j."""

    out: Tensor
    into: Tensor


def importance(run: Run, model: Module, tokenizer: Any) -> dict[str, Any]:
    """The Fisher information that the run's recipe asks for: estimated on its `ewc` snapshot, through the lock, or read
    from the run's folder where a run goes on. By parameter a tensor of its shape; under an adapter by layer `Factors`.

    Raises:
        UsageError: the snapshot has nothing to train on, or no token of it is learned.
        GateError: the snapshot may not be used.
    """
    assert run.recipe.ewc is not None
    path = run.place / FILE
    (use,) = run.of_role("ewc")
    source = {
        "snapshot": use.snapshot,
        "base": run.base.digest,
        "method": run.recipe.method,
        "examples": str(run.recipe.ewc.examples),
        "seed": str(run.recipe.seed),
        "labels": "drawn",
    }
    if (known := _stored(path, source)) is not None:
        return known
    examples = _examples(run, tokenizer)
    found = estimate(model, examples, seed=run.recipe.seed)
    if run_writes():
        _store(path, found, source | {"used": str(len(examples))})
    return found


def estimate(model: Module, examples: Iterable[Batch], *, seed: int, labels: Labels = "drawn") -> dict[str, Any]:
    """The Fisher information of a model's trained weights, or of what its adapter changes, on some examples.

    Args:
        examples: each a batch of one row (`input_ids`, `labels`: 1 x positions; -100: not learned).
        seed: of the labels that are drawn.

    Returns:
        By parameter name its diagonal (float32, of its shape); under an adapter, by layer, `Factors`.

    Raises:
        UsageError: no token of them is learned.
    """
    import torch

    draw = torch.Generator().manual_seed(seed)
    training, device = model.training, next(model.parameters()).device
    model.eval()  # without dropout: of the model as it is used
    counted = 0
    layers = hasattr(model, "peft_config")
    with _layers(model) if layers else _weights(model) as (add, result):
        for example in examples:
            ids, wanted = example["input_ids"].to(device), example["labels"].to(device)
            if not (wanted[:, 1:] != -100).any():
                continue
            with torch.enable_grad():
                logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, :-1].float()
                chosen = wanted[:, 1:]
                if labels == "drawn":
                    chances = logits.detach()[0].softmax(-1).cpu()
                    drawn = torch.multinomial(chances, 1, generator=draw).T.to(device)
                    chosen = torch.where(chosen != -100, drawn, -100)
                loss = torch.nn.functional.cross_entropy(logits[0], chosen[0], ignore_index=-100, reduction="sum")
                loss.backward()
            add()
            counted += 1
    model.zero_grad(set_to_none=True)
    model.train(training)
    if not counted:
        raise UsageError(
            "ewc: no token of its snapshot is learned", where="recipe", remedy="name a snapshot with answers in it"
        )
    return result(counted)


Estimating = tuple[Callable[[], None], Callable[[int], dict[str, Any]]]


@contextmanager
def _weights(model: Module) -> Iterator[Estimating]:
    """Squares the gradient of every trained weight after each example."""
    import torch

    sums = {name: torch.zeros_like(each, dtype=torch.float32) for name, each in begun(model)}
    trained = dict(begun(model))

    def add() -> None:
        for name, parameter in trained.items():
            if parameter.grad is not None:
                sums[name] += parameter.grad.float().square()
                parameter.grad = None

    yield add, lambda examples: {name: total / examples for name, total in sums.items()}


@contextmanager
def _layers(model: Module) -> Iterator[Estimating]:
    """Squares what comes into each adapted layer, and the gradient of what goes out of it.

    The layer's own output is listened to, which depends on its adapter and so has a gradient even where nothing before
    it has; for B = 0 it is the base's.
    """
    import torch

    out: dict[str, Tensor] = {}
    into: dict[str, Tensor] = {}
    seen: dict[str, int] = {}
    handles = []

    def listen(name: str) -> Callable[[Module, tuple[Tensor, ...], Tensor], None]:
        def forward(module: Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            came = inputs[0].detach().float().flatten(0, -2)

            def backward(gradient: Tensor) -> None:
                gone = gradient.detach().float().flatten(0, -2)
                into[name] = into.get(name, torch.zeros_like(came[0])) + came.square().sum(0)
                out[name] = out.get(name, torch.zeros_like(gone[0])) + gone.square().sum(0)
                seen[name] = seen.get(name, 0) + len(came)

            output.register_hook(backward)

        return forward

    for name, layer in adapted(model):
        handles.append(layer.register_forward_hook(listen(name)))
    try:
        # Over tokens the mean of one and, by example, the sum of the other: each token counts once.
        yield (
            lambda: model.zero_grad(set_to_none=True),
            lambda examples: {name: Factors(out[name] / examples, into[name] / seen[name]) for name in out},
        )
    finally:
        for handle in handles:
            handle.remove()


def _examples(run: Run, tokenizer: Any) -> list[Batch]:
    """As many as the recipe says, drawn by its seed from the snapshot's train split."""
    import torch

    from gate.training.rows import Row, Rows
    from gate.training.tokens import chat_tokens, text_tokens

    assert run.recipe.ewc is not None
    (use,) = run.of_role("ewc")
    opened = open_again(run, use)
    records = [
        each
        for frame in opened.examples("train", ["id", "kind", "messages", "text", "tools"])
        for each in frame.iter_rows(named=True)
        if each["kind"] in ("chat", "text")
    ]
    if not records:
        raise UsageError(
            "ewc: its train split has no conversation and no text",
            where=f"snapshot {use.name} {use.snapshot[:12]}",
            remedy="name a snapshot of what the base can do",
        )
    records.sort(key=lambda each: hashlib.sha256(f"{run.recipe.seed}:{each['id']}".encode()).digest())
    made: list[Batch] = []
    for kind, tokens_of in (("chat", chat_tokens), ("text", text_tokens)):
        rows = [
            Row(each["id"], 0, "data", 0, messages=each["messages"] or [], text=each["text"], tools=each["tools"])
            for each in records[: run.recipe.ewc.examples]
            if each["kind"] == kind
        ]
        if rows:
            plain = run.recipe.model_copy(update={"packing": False, "drop_truncated": False, "canaries": 0})
            alone = run.model_copy(update={"recipe": plain, "snapshots": [use]})
            for row in tokens_of(Rows(rows, [], []), tokenizer, alone).train:
                labels = row.get("labels", row["input_ids"])
                made.append({"input_ids": torch.tensor([row["input_ids"]]), "labels": torch.tensor([labels])})
    return made


def run_writes() -> bool:
    """Whether this process is the one that writes into the run's folder."""
    return os.environ.get("RANK", "0") == "0"


def _store(path: Path, found: Mapping[str, Any], source: Mapping[str, str]) -> None:
    from safetensors.torch import save_file

    flat: dict[str, Tensor] = {}
    for name, value in found.items():
        if isinstance(value, Factors):
            flat[f"{name}/out"], flat[f"{name}/into"] = value.out.cpu().contiguous(), value.into.cpu().contiguous()
        else:
            flat[name] = value.cpu().contiguous()
    unfinished = path.with_suffix(".unfinished")
    save_file(flat, unfinished, metadata=dict(source))
    unfinished.replace(path)


def _stored(path: Path, source: Mapping[str, str]) -> dict[str, Any] | None:
    """What was estimated before, if it was from the same."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    if not path.exists():
        return None
    with safe_open(path, "pt") as file:
        said = file.metadata() or {}
    if any(said.get(key) != value for key, value in source.items()):
        return None
    flat, found = load_file(path), {}
    for name, tensor in flat.items():
        layer, _, part = name.rpartition("/")
        if not layer:
            found[name] = tensor
        elif part == "out":
            found[layer] = Factors(tensor, flat[f"{layer}/into"])
    return found
