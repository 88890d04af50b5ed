"""What is said about a form beside it: `README.md` for whoever loads it, `release.json` for programs.

Both are part of the form, and so of its digest. They hold no time, no path and no signer, and figures are rounded, so
that the same candidate exported twice has the same digest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gate.training.base_facts import base_facts
from gate.training.release import COMBINATIONS, FORMS, Compared, Form, Job, Made, quantisation_of
from gate.training.release_sources import Source
from gate.training.run_file import BaseModelUse
from gate.version import __version__

README, RELEASE = "README.md", "release.json"
SCHEMA = "gate.release/1"
_PACKAGES = ("torch", "transformers", "peft", "gguf", "onnx", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Card:
    """What a form's two files are written from."""

    job: Job
    sources: Sequence[Source]
    base: BaseModelUse
    made: Made
    compared: Compared


def release_json(card: Card) -> str:
    """`release.json`, schema gate.release/1."""
    job = card.job
    content = {
        "schema": SCHEMA,
        "form": job.form,
        "quantisation": quantisation_of(job.form, job.quantise),
        "candidates": [
            {
                "name": each.name,
                "model": each.training.model,
                "statement": each.statement.digest,
                "method": each.training.method,
                "objective": each.training.objective,
                "weight": each.weight,
            }
            for each in card.sources
        ],
        "combination": job.combine if job.combined else None,
        "base": {"name": card.sources[0].training.base_name, "digest": card.base.digest, "licence": _licence(card)},
        "snapshots": [{"name": name, "snapshot": digest} for name, digest in _snapshots(card)],
        "logits": {
            "largest_difference": _rounded(card.compared.difference),
            "tolerance": _rounded(card.compared.tolerance),
            "largest": _rounded(card.made.largest),
            "agreement": _rounded(card.compared.agreement),
            "divergence": _rounded(card.compared.divergence),
            "prompts": card.compared.prompts,
            "positions": card.compared.positions,
            "by_full_precision_base": _rounded(card.made.full_precision),
            "merge": _rounded(card.compared.merge),
            "by_training": _rounded(card.made.effect),
        },
        "notes": card.made.notes,
        "versions": {"gate": __version__} | {name: found for name in _used(job.form) if (found := _version(name))},
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def readme(card: Card) -> str:
    """`README.md`: a model card with what a person needs to load it and to check where it is from."""
    job, first = card.job, card.sources[0]
    quantisation = quantisation_of(job.form, job.quantise)
    licence = _licence(card)
    front = {
        "base_model": first.training.base_name,
        "library_name": {"adapter": "peft", "gguf": "gguf", "onnx": "onnx"}.get(job.form, "transformers"),
        **({"license": licence} if licence else {}),
        "tags": ["llm-gate", job.form, first.training.method],
    }
    compared = card.compared
    name = _inert(" + ".join(each.name for each in card.sources))
    lines = [
        "---",
        *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()),
        "---",
        "",
        f"# {name} ({job.form}{f', {quantisation}' if quantisation else ''})",
        "",
        f"{FORMS[job.form][0].upper()}{FORMS[job.form][1:]}, exported and compared by gate {__version__}.",
        "",
        "| | |",
        "| --- | --- |",
        f"| base | {_inert(first.training.base_name)} (`{card.base.digest}`) |",
        f"| licence of the base | {_inert(licence) if licence else 'not stated: ask whoever made it'} |",
        *(
            f"| trained | {_inert(each.name)}: {each.training.method}, {each.training.objective}"
            f"{f', weight {each.weight:g}' if job.combined else ''} (`{each.training.model}`) |"
            for each in card.sources
        ),
        *(f"| training statement | `{each.statement.digest}` |" for each in card.sources),
        *([f"| merged by | {job.combine}: {COMBINATIONS[job.combine]} |"] if job.combined else []),
        *(f"| snapshot | {_inert(name)} (`{digest}`) |" for name, digest in _snapshots(card)),
        f"| logits | differ by at most {compared.difference:.2g} from the candidate's (allowed: "
        f"{compared.tolerance:.2g}; its largest is {card.made.largest:.2g}), on {compared.prompts} "
        f"prompts, {compared.positions} positions |",
        *([f"| training | moved logits by up to {card.made.effect:.2g} |"] if card.made.effect is not None else []),
        f"| the likeliest is the same | at {compared.agreement:.1%} of positions |",
        "",
        *(f"> {note[0].upper()}{note[1:]}.\n" for note in notes_of(card.job, card.made)),
        "## Load it",
        "",
        "```python",
        *_loading(job),
        "```",
        "",
        "Where it comes from: `gate verify` leads from the digest of this folder's files to every row that it was",
        "trained on.",
        "",
    ]
    return "\n".join(lines)


def notes_of(job: Job, made: Made) -> list[str]:
    """What a person should know of a form, as sentences without their full stops."""
    notes = list(made.notes)
    if made.full_precision is not None:
        notes.insert(
            0,
            f"the candidate was trained and evaluated on a base of {8 if job.quantisation == 'int8' else 4} bits, and "
            f"is merged into the base in full precision, which alone moves its logits by up to "
            f"{made.full_precision:.2g}: evaluate this form, not the adapter, before it is promoted",
        )
    if job.form == "onnx":
        notes.append("the graph reads a whole sequence at once and keeps no keys and values between calls")
    return notes


def _loading(job: Job) -> list[str]:
    whole = "AutoModelForCausalLM" if job.kind == "causal" else "AutoModelForSequenceClassification"
    if job.form == "adapter":
        return [
            "from peft import PeftModel",
            f"from transformers import {whole}, AutoTokenizer",
            "",
            f'base = {whole}.from_pretrained("PATH OF THE BASE")',
            'model = PeftModel.from_pretrained(base, "PATH OF THIS FOLDER")',
            'tokenizer = AutoTokenizer.from_pretrained("PATH OF THIS FOLDER")',
        ]
    if job.form == "gguf":
        return [
            "from llama_cpp import Llama  # or: llama-cli -m model.gguf",
            "",
            'model = Llama("PATH OF THIS FOLDER/model.gguf")',
        ]
    if job.form == "onnx":
        return [
            "import onnxruntime",
            "from transformers import AutoTokenizer",
            "",
            'session = onnxruntime.InferenceSession("PATH OF THIS FOLDER/model.onnx")',
            'tokenizer = AutoTokenizer.from_pretrained("PATH OF THIS FOLDER")',
            '(logits,) = session.run(["logits"], dict(tokenizer(["Hello"], return_tensors="np")))',
        ]
    return [
        f"from transformers import {whole}, AutoTokenizer",
        "",
        f'model = {whole}.from_pretrained("PATH OF THIS FOLDER")',
        'tokenizer = AutoTokenizer.from_pretrained("PATH OF THIS FOLDER")',
    ]


def _licence(card: Card) -> str | None:
    return base_facts(Path(card.base.path)).licence


def _snapshots(card: Card) -> list[tuple[str, str]]:
    return list(dict.fromkeys((one.name, one.snapshot) for each in card.sources for one in each.training.snapshots))


def _used(form: Form) -> tuple[str, ...]:
    extra = {"gguf": ("gguf",), "onnx": ("onnx", "onnxruntime")}.get(form, ())
    return tuple(name for name in _PACKAGES if name in ("torch", "transformers", "peft", *extra))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _rounded(figure: float | None) -> float | None:
    """Two digits that count."""
    return None if figure is None else float(f"{figure:.2g}")


def _inert(text: str) -> str:
    """Text of somebody else's in a table of Markdown."""
    return re.sub(r"[|`<>\[\]\n\r*_#!\\]", " ", text)[:200]
