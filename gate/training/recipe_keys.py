"""Which keys of a recipe mean something for which method and objective, and which of them do not go together.

A key that was written and means nothing is an error, not a shrug: whoever wrote `rank` under full fine-tuning believes
that something of low rank is trained. A key that says "off" (`kl: 0`) is true under any method and may stand anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from gate.training.recipe import LORA_FAMILY, Method, Objective, Recipe

_ALL_METHODS: tuple[Method, ...] = get_args(Method)
_GENERATE: tuple[Objective, ...] = ("sft", "pretrain", "dpo", "orpo", "kto", "rloo", "grpo")
_ONLINE: tuple[Objective, ...] = ("rloo", "grpo")

METHODS: Mapping[str, tuple[Method, ...]] = {
    "rank": LORA_FAMILY,
    "alpha": LORA_FAMILY,
    "dropout": LORA_FAMILY,
    "targets": (*LORA_FAMILY, "ia3"),
    "virtual_tokens": ("prefix", "ptuning"),
    "bottleneck": ("adapter",),
    "quantisation": tuple(each for each in _ALL_METHODS if each != "full"),
    "double_quantisation": tuple(each for each in _ALL_METHODS if each != "full"),
    "freeze_layers": ("full", *LORA_FAMILY, "ia3"),
    "layer_decay": ("full", *LORA_FAMILY, "ia3"),
    "l2sp": ("full", *LORA_FAMILY, "ia3"),
    "ewc": ("full", *LORA_FAMILY, "ia3"),
}
"""The methods that know a key; one that is not here is known to all."""

OBJECTIVES: Mapping[str, tuple[Objective, ...]] = {
    "packing": ("sft", "pretrain"),
    "drop_truncated": ("sft", "dpo", "orpo", "kto", "reward"),
    "canaries": ("sft", "pretrain", "dpo", "orpo", "kto"),
    "beta": ("dpo", "orpo", "kto", "rloo", "grpo"),
    "label": ("classify",),
    "reward_model": _ONLINE,
    "generations": _ONLINE,
    "temperature": _ONLINE,
    "max_new_tokens": _GENERATE,
    "samples": _GENERATE,
    "monitor": _GENERATE,
    "kl": ("sft", "pretrain"),
    "ewc": _GENERATE,
}
"""The objectives that know a key; one that is not here is known to all."""

OFF: Mapping[str, object] = {
    "quantisation": "none",
    "freeze_layers": 0,
    "layer_decay": 1,
    "packing": False,
    "drop_truncated": False,
    "canaries": 0,
    "samples": 0,
    "kl": 0,
    "l2sp": 0,
}
"""What a key says when it asks for nothing; for those whose default is None that is None."""

_NOT_WITH: Mapping[str, tuple[Method, ...]] = {
    "packing": ("prefix", "ptuning"),
    "checkpoint_activations": ("prefix",),
}
"""What every method knows, and some cannot do."""

_WHY: Mapping[str, str] = {
    "quantisation": "a base that is trained cannot be quantised; use `method: qlora`",
    "double_quantisation": "a base that is trained cannot be quantised; use `method: qlora`",
}

NO_ADAPTER_LAYERS = (
    "bottleneck adapter layers cannot be had: the library that offers them (adapters 1.3, of April 2026) needs "
    "transformers 4.57, and peft has none"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a recipe says and that cannot be done."""

    key: str
    """Where it stands, dotted."""
    what: str
    remedy: str
    others: tuple[str, ...] = ()
    """Keys that it is about too."""


def known(key: str, method: Method, objective: Objective) -> bool:
    """Whether a key (its part before the first dot) means something for a method and an objective."""
    top = key.partition(".")[0]
    return method in METHODS.get(top, (method,)) and objective in OBJECTIVES.get(top, (objective,))


def needed(recipe: Recipe) -> list[str]:
    """The keys that have no default, that this objective cannot do without, and that nobody has written yet."""
    wanted = {"classify": "label", "rloo": "reward_model", "grpo": "reward_model"}.get(recipe.objective)
    return [wanted] if wanted is not None and getattr(recipe, wanted) is None else []


def problems(recipe: Recipe, written: Collection[str]) -> Iterator[Problem]:
    """What does not go together, the most telling first.

    Args:
        written: the keys (dotted) that somebody wrote, in a file or in a flag.
    """
    yield from _of_the_method(recipe)
    yield from _unknown(recipe, written)
    if recipe.quantisation != "nf4" and "double_quantisation" in written and recipe.double_quantisation:
        yield Problem(
            "double_quantisation",
            f"means something for `quantisation: nf4` only, not for {recipe.quantisation}",
            "take it away, or write `quantisation: nf4`",
        )
    yield from _of_the_batch(recipe)
    if recipe.warmup >= 1 and recipe.warmup != int(recipe.warmup):
        yield Problem(
            "warmup",
            f"{recipe.warmup:g} is neither a share (below 1) nor a number of steps",
            "write 0.05 for 5 % of the steps, or a whole number",
        )
    if recipe.max_steps is not None and recipe.warmup > recipe.max_steps:
        yield Problem(
            "warmup",
            f"{recipe.warmup:g} steps of warm-up are more than `max_steps: {recipe.max_steps}`",
            "write a share, such as 0.05",
            ("max_steps",),
        )
    if recipe.targets == []:
        yield Problem("targets", "no layer is named, so nothing would be trained", "write all-linear, or names")


def _of_the_method(recipe: Recipe) -> Iterator[Problem]:
    if recipe.method == "adapter":
        yield Problem(
            "method", NO_ADAPTER_LAYERS, "use lora, dora or ia3, which also train little beside a frozen base"
        )
    if recipe.method == "head" and recipe.objective not in ("classify", "reward"):
        yield Problem(
            "method",
            f"`head` trains a classification head, and `objective: {recipe.objective}` has none",
            "write `objective: classify` or `reward`, or another method",
        )
    if recipe.method == "qlora" and recipe.quantisation != "nf4":
        yield Problem(
            "quantisation",
            f"qlora is LoRA over a base in NF4 (Dettmers et al. 2023), and this says {recipe.quantisation}",
            "write `quantisation: nf4`, or `method: lora` over a base as you want it",
            ("method",),
        )
    for key, methods in _NOT_WITH.items():
        if recipe.method in methods and getattr(recipe, key):
            yield Problem(
                key,
                f"does not go with `method: {recipe.method}`, which puts vectors of its own before every sequence",
                f"write `{key}: false`, or use lora",
                ("method",),
            )


def _unknown(recipe: Recipe, written: Collection[str]) -> Iterator[Problem]:
    for key in sorted({each.partition(".")[0] for each in written}):
        value = getattr(recipe, key, None)
        if known(key, recipe.method, recipe.objective) or value is None or (key in OFF and value == OFF[key]):
            continue
        about, here = (
            (METHODS, "method")
            if recipe.method not in METHODS.get(key, (recipe.method,))
            else (OBJECTIVES, "objective")
        )
        who = ", ".join(about[key])
        yield Problem(
            key,
            f"`{here}: {getattr(recipe, here)}` does not know it; {who} {'do' if len(about[key]) > 1 else 'does'}",
            (_WHY.get(key) if here == "method" else None)
            or f"take it away (--set {key}=null where it is inherited), or start from a recipe of another {here}",
            (here,),
        )


def _of_the_batch(recipe: Recipe) -> Iterator[Problem]:
    if recipe.batch % recipe.device_batch:
        divisors = [each for each in range(1, recipe.batch + 1) if recipe.batch % each == 0]
        fit = max((each for each in divisors if each <= recipe.device_batch), default=1)
        up = -(-recipe.batch // recipe.device_batch) * recipe.device_batch
        yield Problem(
            "device_batch",
            f"`batch: {recipe.batch}` cannot be reached by accumulating {recipe.device_batch} at a time",
            f"write `device_batch: {fit}`, or `batch: {up}`",
            ("batch",),
        )
    if recipe.objective == "kto" and recipe.device_batch < 2:
        yield Problem(
            "device_batch",
            "kto estimates how far the model has gone on mismatched pairs within a batch, and one example makes none",
            "write `device_batch: 2` or more",
        )
    if recipe.objective in _ONLINE and recipe.batch % recipe.generations:
        up = -(-recipe.batch // recipe.generations) * recipe.generations
        yield Problem(
            "batch",
            f"of {recipe.batch} answers some would belong to a prompt of which not all {recipe.generations} are there",
            f"write a multiple of `generations`, such as `batch: {up}`",
            ("generations",),
        )
