"""What a task's YAML may say: lm-eval's own keys, as its TaskConfig has them, and gate's under `metadata: gate:`.

lm-eval takes any key without a word, and a typo then changes what is measured. Here a key that it does not know, or a
value of another type, is an error with file and line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gate.evaluation.task_document import Metric

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
OutputType = Literal["generate_until", "loglikelihood", "loglikelihood_rolling", "multiple_choice"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, title=None)


class GateForm(_Part):
    """What gate wants to know of a task beyond lm-eval."""

    about: str = ""
    """One sentence for reports."""
    primary: str | None = None
    """The metric that a verdict is about; else the task's first."""
    chance: Annotated[float, Field(ge=0, le=1)] | None = None
    """What guessing scores on the primary metric."""
    cluster: str | None = None
    """The item's field that says which items belong together."""
    slice: str | None = None
    """The item's field that reports group by."""
    scorers: list[str] = []
    """gate's, beside lm-eval's metrics."""
    filter: str | None = None
    """Which of several filters counts."""
    binary: list[str] | None = None
    """Metrics of one's own (process_results, a hub's task) that are 0 or 1 for each item."""
    hub: bool = False
    """One of lm-eval's own tasks, whose data is downloaded; only in a group's list."""


class TaskMetadata(BaseModel):
    """`metadata:` of a task: anything for lm-eval, and `gate:`."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, title=None)
    gate: GateForm = GateForm()


class MetricForm(BaseModel):
    """An entry of `metric_list`; further keys are arguments of the metric."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, title=None)
    metric: str
    aggregation: str | None = None
    higher_is_better: bool | None = None


class FilterForm(_Part):
    """An entry of `filter_list`."""

    name: str
    filter: list[dict[str, Any]]  # each names a function of lm-eval's and its arguments


class DataForm(BaseModel):
    """`dataset_kwargs:` of a local task."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, title=None)
    data_files: Annotated[dict[str, str], Field(min_length=1)]
    """By split: a JSONL file, relative to the YAML."""


class TaskForm(_Part):
    """A task of a suite: the keys of lm-eval's TaskConfig that a suite of texts has a use for."""

    task: Name
    task_alias: str | None = None
    tag: str | list[str] | None = None
    dataset_path: str
    dataset_name: str | None = None
    dataset_kwargs: DataForm
    training_split: str | None = None
    validation_split: str | None = None
    test_split: str | None = None
    fewshot_split: str | None = None
    doc_to_text: str | int | None = None
    doc_to_target: str | int | list[str] | None = None
    doc_to_choice: str | list[str] | dict[str, str] | None = None
    process_results: str | None = None
    description: str = ""
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    fewshot_config: dict[str, Any] | None = None  # lm-eval's own, handed on
    num_fewshot: Annotated[int, Field(ge=0, le=100)] | None = None
    metric_list: Annotated[list[MetricForm], Field(min_length=1)] | None = None
    output_type: OutputType = "generate_until"
    generation_kwargs: dict[str, Any] | None = None  # of the model's generate
    repeats: Literal[1] = 1
    filter_list: Annotated[list[FilterForm], Field(min_length=1)] | None = None
    should_decontaminate: bool = False
    doc_to_decontamination_query: str | None = None
    gen_prefix: str | None = None
    metadata: TaskMetadata = TaskMetadata()


FUNCTIONS = ("doc_to_text", "doc_to_target", "doc_to_choice", "process_results")
"""Keys that may name Python, where it was allowed."""

REFUSED: Mapping[str, str] = {
    "class": "write the task as YAML",
    "custom_dataset": "put the items into a JSONL file",
    "doc_to_audio": "gate scores texts",
    "doc_to_image": "gate scores texts",
    "process_docs": "put the items into the JSONL as they are to be",
    "unsafe_code": "gate does not run what a model wrote",
    "use_prompt": "write the prompt out in `doc_to_text`",
}
"""Keys of lm-eval that a suite may not have, and what to do instead."""


class GroupGateForm(_Part):
    """What gate wants to know of a suite."""

    about: str = ""
    """One sentence for reports."""
    extends: bool = False
    """A repository's own: adds to gate's suite of the name instead of taking its place."""
    snapshot: dict[str, Any] | None = None  # of `regression`: read by gate.evaluation.snapshot_rules


class GroupMetadata(BaseModel):
    """`metadata:` of a group."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, title=None)
    gate: GroupGateForm = GroupGateForm()


class GroupForm(_Part):
    """A group of tasks, as lm-eval's GroupConfig."""

    group: Name
    group_alias: str | None = None
    task: str | list[str | dict[str, Any]]  # a name, or a name with what differs
    aggregate_metric_list: list[dict[str, Any]] | dict[str, Any] | None = None  # not looked at: gate aggregates nothing
    metadata: GroupMetadata = GroupMetadata()


PER_ITEM: Mapping[str, Metric] = {
    name: Metric(name=name, binary=True, scorer="lm_eval")
    for name in ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match")
}
"""lm-eval's metrics that are a number of each item."""

SCORED_BY: Mapping[str, str] = {
    "bits_per_byte": "bits_per_byte@1",
    "byte_perplexity": "bits_per_byte@1",
    "word_perplexity": "bits_per_byte@1",
    "bleu": "bleu@1",
    "chrf": "chrf@1",
}
"""lm-eval's metrics that are a number of the whole task only, and the scorer that says the same of an item."""

OF_ALL = frozenset({"brier_score", "bypass", "chrf++", "f1", "likelihood", "mcc", "perplexity", "ter"})
"""lm-eval's metrics that say nothing of an item; they are left out."""

DEFAULT_METRICS: Mapping[OutputType, tuple[str, ...]] = {
    "generate_until": ("exact_match",),
    "loglikelihood": ("acc",),
    "loglikelihood_rolling": ("bits_per_byte",),
    "multiple_choice": ("acc", "acc_norm"),
}
"""Where a task names none, as lm-eval has it."""
