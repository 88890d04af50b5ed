"""The forms that a trained model is released in, and what it takes that a form counts as the model it was made of.

The work is done by processes of its own (`gate.training.release_worker`), which read `job.json`: one makes the form and
writes down the logits of the candidate, a fresh one loads the form and compares. What stands here is shared by them and
by gate's own process, and imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gate.errors import GateError, MissingDependency, UsageError
from gate.training.quantise import Quantisation
from gate.training.recipe import LORA_FAMILY, Method

Form = Literal["adapter", "merged", "gguf", "onnx"]
Combination = Literal["cat", "svd", "linear", "ties"]
Kind = Literal["causal", "classifier", "reward"]

FORMS: dict[Form, str] = {
    "adapter": "the trained adapter, to be loaded beside its base (peft)",
    "merged": "one whole model in safetensors (transformers)",
    "gguf": "one file for llama.cpp and what builds on it",
    "onnx": "a graph for ONNX Runtime",
}
QUANTISATIONS: dict[Form, tuple[str, ...]] = {
    "adapter": (),
    "merged": ("fp32", "fp16", "bf16"),
    "gguf": ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"),
    "onnx": ("int8",),
}
"""What `--quantise` may say for each form; without it: gguf f16, onnx fp32, merged as the weights are."""
PACKAGES: dict[Form, tuple[str, ...]] = {
    "adapter": ("torch", "transformers", "peft"),
    "merged": ("torch", "transformers", "peft"),
    "gguf": ("torch", "transformers", "peft", "gguf"),
    "onnx": ("torch", "transformers", "peft", "onnx", "onnxscript", "onnxruntime"),
}
"""What has to be installed for each form."""
COMBINATIONS: dict[Combination, str] = {
    "cat": "the exact weighted sum of the updates; the rank is the sum of the ranks",
    "svd": "the weighted sum, cut to the greatest rank among them",
    "linear": "weighted sums of the factors A and B; rough, and for equal ranks only",
    "ties": "TIES (Yadav et al. 2023): the larger half of each update, signs agreed upon; for equal ranks only",
}

UNMERGEABLE: dict[Method, str] = {
    "prefix": "it learns keys and values that stand before the prompt, which are no change to any weight",
    "ptuning": "it learns vectors that stand before the prompt, which are no change to any weight",
}
"""Why a method cannot be merged."""

COARSENESS: dict[str, float] = {
    "same": 1e-6,
    "fp32": 1e-4, "f32": 1e-4,
    "fp16": 1e-2, "f16": 1e-2,
    "bf16": 0.1,
    "q8_0": 0.1,
    "q5_1": 0.2, "q5_0": 0.2, "q4_1": 0.75, "q4_0": 0.75,
    "int8": 0.25,
    "base int8": 0.1, "base nf4": 0.4,
}  # fmt: skip
"""How far logits may move, as a share of the candidate's largest: a few times what was measured on the tiny base
(docs/release.md), so that a mistake (a tensor left out, rows in another order, heads permuted) fails and rounding does
not. For coarse quantisations it is no statement about quality: what was quantised is evaluated as such."""


class NotTheSame(GateError):
    """The form is not the model that it was made of: nothing was released."""

    exit_code = 1


class Unmergeable(GateError):
    """The method's result cannot be had in this form."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Ingredient(_Part):
    """A candidate that goes into the form, its files verified."""

    name: str
    folder: str
    """Absolute; holds nothing but verified files."""
    method: Method
    weight: float = 1.0


class Job(_Part):
    """`job.json`: what the processes that make and check a form are told."""

    format: Literal[1] = 1
    form: Form
    quantise: str | None = None
    combine: Combination = "cat"
    kind: Kind
    labels: list[str] = []
    """Of a classifier, in the order of its outputs."""
    ingredients: list[Ingredient] = Field(min_length=1)
    base: str
    """The base's folder, absolute; holds nothing but verified files."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of the candidate's computation, and of the base beside an adapter."""
    quantisation: Quantisation | None = None
    """How the base was kept in memory while the candidate was trained and evaluated."""
    remote_code: bool = False
    tolerance: Annotated[float, Field(gt=0)] | None = None
    """Of logits, absolute; None: by `COARSENESS`."""
    prompts: list[str] = Field(min_length=1)
    work: str
    """Absolute: `form/` is made in it, and what the processes tell one another lies beside that."""

    @property
    def combined(self) -> bool:
        """Whether weights other than one candidate's own go into the form."""
        return len(self.ingredients) > 1 or self.ingredients[0].weight != 1.0


class Made(_Part):
    """`made.json`: what the process that made the form tells."""

    largest: float
    """Of the candidate's logits, absolute."""
    dtype: str
    """Of the base's weights: `float32`, `bfloat16`…"""
    full_precision: float | None = None
    """The largest difference of logits between the candidate on its quantised base and on the one in full precision;
    None where the base was never quantised, or the form leaves it quantised. Where it is a figure, the form is compared
    with both: with the latter closely, which shows that the merge is right, and with the former, which is what was
    evaluated."""
    effect: float | None = None
    """The largest difference of logits between the candidate and its untouched base: what training did. None for
    classifiers, whose base has no head."""
    notes: list[str] = []
    """Sentences for people."""


class Compared(_Part):
    """`compared.json`: what the fresh process found."""

    difference: float
    """The largest of any logit, absolute."""
    tolerance: float
    agreement: float
    """The share of positions at which both find the same token (or class) likeliest."""
    divergence: float
    """Mean KL(candidate || form) over positions, in nats."""
    prompts: int
    positions: int
    distance: float = 0.0
    """Root mean square of the differences of all logits."""
    from_base: float | None = None
    """The same to the untouched base, where there is one to compare with. A form that is nearer to it than to the
    candidate has lost what was trained, however small the differences are."""
    merge: float | None = None
    """The largest difference from the candidate on its base in full precision, where that base was quantised."""
    merge_tolerance: float | None = None


def check_request(form: Form, quantise: str | None, methods: Sequence[Method], kind: Kind, combined: bool) -> None:
    """That such a form can be had of such candidates, before anything is loaded.

    Raises:
        UsageError: the form does not know the quantisation.
        Unmergeable: the method cannot be had in this form.
    """
    known = QUANTISATIONS[form]
    if quantise is not None and quantise not in known:
        said = f"--quantise takes {', '.join(known)} for {form}" if known else "leave --quantise out"
        raise UsageError(f"{form} cannot be quantised as {quantise!r}", remedy=said)
    if combined and (others := [each for each in methods if each not in LORA_FAMILY or each == "dora"]):
        why = {"dora": "DoRA's magnitudes do not add up"}.get(others[0], "it is no LoRA")
        raise Unmergeable(
            f"a candidate trained by {others[0]} cannot be merged with weights: {why}",
            remedy="merge candidates that were trained by lora, rslora or qlora on one base",
        )
    for method in methods:
        if form == "adapter" and method in ("full", "head"):
            raise Unmergeable(
                f"there is no adapter: {method} training changes the model's own weights",
                remedy="export it as merged, which is the whole model",
            )
        if form != "adapter" and method in UNMERGEABLE:
            raise Unmergeable(
                f"a candidate trained by {method} cannot be merged: {UNMERGEABLE[method]}",
                remedy="export it as adapter, and load it beside its base",
            )
    if form == "gguf" and kind != "causal":
        raise Unmergeable(
            "GGUF is for models that continue text, and this one classifies", remedy="export it as onnx or merged"
        )


def check_packages(form: Form) -> None:
    """That what a form takes is installed, before hours are spent.

    Raises:
        MissingDependency: it is not.
    """
    needed = PACKAGES[form]
    if absent := [each for each in needed if find_spec(each) is None]:
        raise MissingDependency(
            f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed, which {form} takes",
            remedy=f"pip install {' '.join(absent)}",
        )


def tolerance(job: Job, made: Made) -> float:
    """The largest difference of logits that is allowed: what was asked for, else `merge_tolerance`, or what it takes
    that the base is no longer quantised."""
    if job.tolerance is not None:
        return job.tolerance
    own = merge_tolerance(job, made)
    return (
        own
        if made.full_precision is None
        else max(own, COARSENESS["base int8" if job.quantisation == "int8" else "base nf4"] * made.largest)
    )


def merge_tolerance(job: Job, made: Made) -> float:
    """The largest difference of logits that the form itself may make: by the coarsest thing that lies between weights
    and form (`COARSENESS`), times the candidate's largest logit."""
    stored = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}.get(made.dtype, "bf16")
    steps = ["same" if job.form == "adapter" and not job.combined else stored]
    if quantise := quantisation_of(job.form, job.quantise):
        steps.append(quantise)
    return max(COARSENESS[step] for step in steps) * made.largest


def lost(compared: Compared, made: Made) -> bool:
    """Whether the form is nearer to the untouched base than to the candidate: an adapter that was left out, or drowned
    in quantisation. Where training did nothing that could be seen, nothing can be lost."""
    seen = made.effect is not None and made.effect > COARSENESS["fp32"] * made.largest
    return seen and compared.from_base is not None and not compared.distance < compared.from_base


def quantisation_of(form: Form, quantise: str | None) -> str | None:
    """How the form's weights are kept, where that is not as they were."""
    return quantise or ("f16" if form == "gguf" else None)


class Trouble(_Part):
    """`error.json`: why a process gave up, where a person can do something about it."""

    code: str
    what: str
    where: str | None = None
    remedy: str | None = None
