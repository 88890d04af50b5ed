"""ONNX: the model as a graph that ONNX Runtime runs, made by torch's own exporter.

One pass over a whole sequence: `input_ids` and `attention_mask` (batch x sequence, int64) in, `logits` out (batch x
sequence x vocabulary; of a classifier batch x classes). It keeps no keys and values between calls.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gate.training.release import Job, Unmergeable
from gate.training.release_forms import copy_tokenizer, merged

if TYPE_CHECKING:
    import torch

GRAPH = "model.onnx"
_LARGEST_IN_ONE = 1_500_000_000
"""Bytes of weights beside the graph in one file: protobuf ends at 2 GiB."""


def write_onnx(job: Job, target: Path) -> None:
    """Write `model.onnx` (weights beside it where they are large), the configuration and the tokenizer.

    Raises:
        Unmergeable: torch cannot make a graph of this model.
    """
    model = merged(job).float()  # ONNX Runtime computes in 32 bits on a CPU, and knows no bf16 there
    plain = target / GRAPH if job.quantise is None else Path(job.work) / "float.onnx"
    _export(model, plain)
    if job.quantise == "int8":
        _quantised(plain, target / GRAPH)
    model.config.save_pretrained(target)
    copy_tokenizer(job, target)


def _export(model: torch.nn.Module, path: Path) -> None:
    import torch

    class Logits(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits

    size = sum(each.numel() * each.element_size() for each in model.parameters())
    batch, length = torch.export.Dim("batch"), torch.export.Dim("sequence")
    ids = torch.arange(2 * 7).reshape(2, 7) + 1
    try:
        with quietly():
            torch.onnx.export(
                Logits().eval(),
                (ids, torch.ones_like(ids)),
                path,
                input_names=["input_ids", "attention_mask"],
                output_names=["logits"],
                dynamo=True,
                dynamic_shapes=({0: batch, 1: length}, {0: batch, 1: length}),
                external_data=size > _LARGEST_IN_ONE,
            )
    except Exception as error:
        if isinstance(error, OSError):
            raise
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise Unmergeable(
            f"torch cannot make an ONNX graph of it: {first[0][:300]}", remedy="export it as merged"
        ) from None


def _quantised(source: Path, target: Path) -> None:
    """Weights of matrix products in 8 bits, activations as they come (dynamic quantisation)."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with quietly():
        quantize_dynamic(
            source,
            target,
            weight_type=QuantType.QInt8,
            per_channel=True,
            use_external_data_format=source.with_name(source.name + ".data").exists(),
        )


def reload_onnx(folder: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """The forward pass of an exported graph, in ONNX Runtime on the CPU."""
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(folder / GRAPH, providers=["CPUExecutionProvider"])

    def forward(ids: torch.Tensor) -> torch.Tensor:
        given = {"input_ids": ids.numpy(), "attention_mask": torch.ones_like(ids).numpy()}
        logits = torch.from_numpy(session.run(["logits"], given)[0])
        return logits.reshape(-1, logits.shape[-1]).float()

    return forward


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """The exporter tells of each of its steps, and of deprecations inside torch."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger().setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
