"""What a recipe may say: one flat set of keys, ours, whatever the libraries call theirs this year.

`gate.training.recipe_files` reads them from `trainers/recipes/*.yaml` (with `extends:` and `--set`);
`gate.training.arguments` is the one place where they become arguments of a library.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Objective = Literal["sft", "pretrain", "classify", "dpo", "orpo", "kto", "reward", "rloo", "grpo"]
Method = Literal["full", "lora", "qlora", "dora", "rslora", "prefix", "ptuning", "ia3", "adapter", "head"]
Schedule = Literal["constant", "linear", "cosine"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Logger = Literal["tensorboard", "wandb", "mlflow"]

SCRIPTS: dict[Objective, str] = {
    "sft": "sft",
    "pretrain": "pretrain",
    "classify": "classify",
    "dpo": "preference",
    "orpo": "preference",
    "kto": "preference",
    "reward": "reward",
    "rloo": "rl",
    "grpo": "rl",
}
"""Which script of `trainers/` trains for an objective."""

LORA_FAMILY: tuple[Method, ...] = ("lora", "qlora", "dora", "rslora")

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


class Part(BaseModel):
    """Strict: an unknown key is an error, and so is a value of another type (an int counts as a float)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Replay(Part):
    """General data mixed in, so that what the base knew is kept (10-20 %, practitioner guide G1)."""

    snapshot: Name
    """An approved snapshot: its name, or its id. Only its train split is used."""
    share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Of the final set: 0.1 makes one example in ten a replayed one."""


class Ewc(Part):
    """Elastic weight consolidation (Kirkpatrick et al. 2017, eq. 3): weights that the old task needs move less."""

    strength: Positive
    """Lambda of the penalty lambda/2 * sum F_i (w_i - w0_i)^2."""
    snapshot: Name
    """An approved snapshot of the old task, on whose train split the Fisher information is estimated."""
    examples: AtLeastOne = 200
    """How many examples it is estimated on."""


class Monitor(Part):
    """Scores what must not be forgotten while the model trains."""

    suite: Name
    """A JSONL file of items (`gate.training.retention`): relative to the repository, or gate's own by name."""
    every: AtLeastOne = 100
    """Steps between two scores; the untouched model is scored first."""
    margin: Share = 0.03
    """How far the score may fall below the untouched model's."""
    then: Literal["stop", "restore"] = "restore"
    """Past the margin: stop and keep what there is, or stop and go back to the best checkpoint that held the margin."""


class Recipe(Part):
    """How to train. Each key's meaning is the same for every objective and method that knows it; a key that a method
    or an objective does not know is an error (`gate.training.recipe_files`)."""

    version: Literal[1]
    """The version of this form."""
    about: str = ""
    """One sentence on what it is for."""

    objective: Objective
    """What is learned: `sft` from chat examples, `classify` from chat or text, `pretrain` from text, `dpo`, `orpo` and
    `reward` from preferences, `kto` from feedback, `rloo` and `grpo` from prompts and a reward model."""
    method: Method
    """What of the model is trained."""

    # The method
    rank: AtLeastOne = 16
    """LoRA family: the rank r of the update."""
    alpha: Positive = 32
    """LoRA family: the update is scaled by alpha / r (by alpha / sqrt(r) under rsLoRA)."""
    dropout: Share = 0.05
    """LoRA family: dropout on what goes into the update."""
    targets: Literal["all-linear", "attention", "qv"] | list[Name] = "all-linear"
    """LoRA family and IA3: which linear layers: all but the head, q k v o, q and v, or by name."""
    virtual_tokens: AtLeastOne = 20
    """prefix, ptuning: how many learned vectors stand before the prompt."""
    bottleneck: AtLeastOne = 64
    """adapter: the inner width of the bottleneck layers."""
    quantisation: Literal["none", "nf4", "int8"] = "none"
    """How the frozen base is kept in memory; only methods that leave the base alone may quantise it."""
    double_quantisation: bool = True
    """nf4: whether the constants of quantisation are quantised too (Dettmers et al. 2023)."""
    freeze_layers: Count = 0
    """How many of the lowest layers (and, with any, the embeddings) stay as they are."""

    # Optimisation
    lr: Positive = 2e-4
    """The highest learning rate."""
    schedule: Schedule = "linear"
    """What becomes of the rate after the warm-up."""
    warmup: NotNegative = 0.05
    """Below 1 a share of all optimiser steps, from 1 on a number of steps."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Each layer's rate is this times that of the layer above it; 1: all alike."""
    epochs: Positive = 3
    """Passes over the training set."""
    max_steps: AtLeastOne | None = None
    """Optimiser steps after which training ends, whatever `epochs` says."""
    batch: AtLeastOne = 16
    """Examples per optimiser step, over all devices and accumulation."""
    device_batch: AtLeastOne = 4
    """Examples at once on one device; `batch` is reached by accumulation, and must be a multiple."""
    optimiser: Literal["adamw", "adamw_8bit", "sgd"] = "adamw"
    """adamw_8bit keeps its state in 8 bits (bitsandbytes)."""
    weight_decay: NotNegative = 0.01
    """Decoupled (Loshchilov and Hutter 2019)."""
    clip: Positive = 1.0
    """The largest norm of the gradient; a larger one is scaled down to it."""
    precision: Precision = "auto"
    """Of the computation. auto: bf16 where the device has it, else fp32."""
    checkpoint_activations: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0  # numpy takes no larger one
    """Of everything that is drawn: order, dropout, initial weights, canaries, samples."""

    # Rows
    max_length: AtLeastOne | None = None
    """Tokens of the longest example; longer ones are cut (and counted). None: the model's context length."""
    packing: bool = False
    """sft, pretrain: fill each sequence with several examples, which do not see one another."""
    drop_truncated: bool = False
    """sft, preferences: leave an example out whose answer would be cut (counted as dropped) instead of cutting it."""
    tolerate_dropped: Share = 0.0
    """The share of the train split that may be dropped; more stops the run before it trains."""
    tolerate_truncated: Share = 0.01
    """The share of the train split that may be cut; more stops the run before it trains."""
    mixture: dict[Name, Positive] | None = None
    """Several snapshots and their weights: of the examples seen, each has its weight's share. `--snapshot` says which
    there are; what is not named there weighs as many as it has rows."""
    canaries: Count = 0
    """How many random marked strings are trained on beside the data, at 1, 2, 4, 8 and 16 repetitions in turn."""

    # The objective
    beta: Positive = 0.1
    """dpo, orpo, kto: how far the model may go from its reference; rloo, grpo: the weight of the KL term."""
    label: Name | None = None
    """classify: the column of the records that holds the class (`.` leads into an object)."""
    reward_model: Name | None = None
    """rloo, grpo: a folder with a sequence classifier with one output, as `reward` trains it."""
    generations: Annotated[int, Field(ge=2)] = 4
    """rloo, grpo: answers drawn for each prompt."""
    max_new_tokens: AtLeastOne = 64
    """rloo, grpo: tokens of an answer; also of the samples shown at an evaluation."""
    temperature: Positive = 1.0
    """rloo, grpo: of the drawing of answers."""

    # Looking while it trains
    evaluate_every: AtLeastOne = 100
    """Steps between two evaluations on the validation split, each with a checkpoint; also done at the end."""
    log_every: AtLeastOne = 10
    """Steps between two points of the curves."""
    keep: AtLeastOne = 2
    """How many of the best checkpoints stay; the last one stays too, to go on from."""
    patience: Count = 3
    """Evaluations without improvement after which training stops; 0: never."""
    threshold: NotNegative = 0.01
    """By how much the validation loss has to fall to count as an improvement."""
    samples: Count = 3
    """How many fixed prompts (of the validation split) are answered at each evaluation, greedily."""
    loggers: list[Logger] = []
    """Where curves go beside the run's own folder; each has to be installed."""

    # Against forgetting
    replay: Replay | None = None
    """General data mixed in."""
    kl: NotNegative = 0.0
    """Weight of KL(base || model) over the tokens that are learned. The base is the model with its adapter off; where
    there is none (`full`), a second copy, which takes its memory."""
    l2sp: NotNegative = 0.0
    """Weight of the squared distance to the starting weights (L2-SP, Li et al. 2018, eq. 2)."""
    ewc: Ewc | None = None
    """Elastic weight consolidation."""
    monitor: Monitor | None = None
    """Score what must be kept while training."""
