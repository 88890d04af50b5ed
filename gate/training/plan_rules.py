"""What `gate plan` advises by: `rules/plan.yaml`, the shipped one with a repository's own on top of it.

Every threshold and every figure of the guides stands there with its source; the code that advises holds none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Literal, Protocol, TypeVar

import orjson
from pydantic import Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.form import Form
from gate.policy.invalid import Location, policy_error
from gate.policy.layers import laid_over, layers
from gate.policy.model import Place
from gate.training.recipe import Method

FILE = "rules/plan.yaml"

Says = Literal["prompts", "prompts_first", "retrieval", "viable", "fine_tune"]
"""What an answer speaks for: prompts only, prompts first, retrieval, either (fine-tuning may help), fine-tuning."""

Text = Annotated[str, Field(min_length=1, max_length=400, pattern=r"\S")]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Least = Annotated[int, Field(ge=1)]


class Figure(Form):
    """A number, and who says so."""

    value: float
    source: Text


class Answer(Form):
    """What an answer speaks for."""

    says: Says
    why: Text
    source: Text


class AnswerBand(Answer):
    """The same of every number below a bound (and not below the bound before it)."""

    below: Positive | None = None
    """The last band has none."""


class Enough(Form):
    """How many examples a goal takes."""

    least: Least
    recommended: Least
    source: Text


class Decision(Form):
    """Whether fine-tuning is the right tool."""

    prompts_suffice: Figure
    """The share of the test set at which prompts leave nothing to train for."""
    examples: Annotated[list[AnswerBand], Field(min_length=1)]
    latency: Annotated[list[AnswerBand], Field(min_length=1)]
    """By milliseconds."""
    target: Annotated[list[AnswerBand], Field(min_length=1)]
    """By the share of the test set."""
    consistency: dict[str, Answer]
    goals: dict[str, Answer]
    enough: dict[str, Enough]
    """By goal; `any` for a goal that is not there."""
    gain: Figure
    """The expected gain (a share) above which fine-tuning is worth its cost."""
    held_out: Figure
    """The fewest validation examples, and the fewest test examples."""

    @field_validator("enough")
    @classmethod
    def _any(cls, enough: dict[str, Enough]) -> dict[str, Enough]:
        if "any" not in enough:
            raise PydanticCustomError("any", "`any` is missing, which stands for every other goal")
        return enough


class CostExample(Form):
    """The guides' worked example: hours and a rate."""

    rate: Positive
    prompt_hours: Positive
    tuning_hours: Positive
    compute: Positive
    source: Text

    @property
    def prompts(self) -> float:
        """What the work on prompts costs."""
        return self.prompt_hours * self.rate

    @property
    def tuning(self) -> float:
        """What fine-tuning costs: preparing data, and computing."""
        return self.tuning_hours * self.rate + self.compute


class Size(Form):
    """A class of models by parameters."""

    below: Positive | None = None
    name: Text
    use: Text
    source: Text


class MethodBand(Form):
    """The methods for devices below a size."""

    below: Positive | None = None
    """GB."""
    methods: Annotated[list[Method], Field(min_length=1)]
    """The first is the one that the guide would take."""
    said: Text


class MethodGuide(Form):
    """A guide's table."""

    source: Text
    bands: Annotated[list[MethodBand], Field(min_length=1)]


class FullFrom(Form):
    """From how many examples on a guide would train the whole model."""

    examples: Least
    source: Text


class MemoryFigure(Form):
    """What a guide says that training takes, in GB (10^9 bytes); a range of two."""

    source: Text
    size: Positive
    """10^9 parameters."""
    full: Annotated[list[float], Field(min_length=2, max_length=2)]
    lora: Annotated[list[float], Field(min_length=2, max_length=2)]
    qlora: Annotated[list[float], Field(min_length=2, max_length=2)]


class BatchBand(Form):
    """Examples at once on a device of some GB."""

    memory: Positive
    low: Least
    high: Least


class BatchGuide(Form):
    """A guide's table, for a 7B model."""

    source: Text
    bands: Annotated[list[BatchBand], Field(min_length=1)]


class MemoryRules(Form):
    """The method by memory."""

    headroom: Figure
    """The share of a device that is left free."""
    guides: Annotated[list[MethodGuide], Field(min_length=1)]
    full_from: Annotated[list[FullFrom], Field(min_length=1)]
    figures: list[MemoryFigure]
    device_batch: BatchGuide


class Choice(Form):
    """The value for fewer examples (or parameters) than a bound."""

    below: Positive | None = None
    value: float
    why: Text


class Guide(Form):
    """What a guide says of a hyperparameter, and for which sizes (or numbers of examples) it says so."""

    source: Text
    said: Text
    low: float | None = None
    high: float | None = None
    times: float | None = None
    """alpha: so many times the rank."""
    above: float | None = None
    below: float | None = None
    full: bool = False
    """Only of full fine-tuning."""


class Banded(Form):
    """A hyperparameter that depends on how many examples (or parameters) there are."""

    choose: Annotated[list[Choice], Field(min_length=1)]
    code: Choice | None = None
    """Where the goal is code."""
    guides: list[Guide]


class Fixed(Form):
    """A hyperparameter that is the same for all."""

    value: float
    why: Text
    guides: list[Guide]


class TimesRank(Form):
    """alpha."""

    times_rank: Positive
    why: Text
    guides: list[Guide]


class SettingRules(Form):
    """Hyperparameters."""

    rank: Banded
    alpha: TimesRank
    dropout: Banded
    lr_lora: Fixed
    lr_full: Banded
    """By parameters."""
    epochs: Banded
    batch: Banded
    warmup: Fixed
    weight_decay: Banded


class Device(Form):
    """A device as it is sold."""

    memory: Positive
    """GB."""
    tflops: Positive
    """Dense, at 16 bits with 32-bit sums."""
    bf16: bool = True
    """Whether it computes in bfloat16."""
    source: Text


class Utilisation(Form):
    """The share of a device's throughput that training reaches."""

    low: Share
    high: Share
    source: Text


class PlanForm(Form):
    """`rules/plan.yaml`, with everything in it."""

    version: Literal[1]
    """The version of this form."""
    decision: Decision
    cost_example: CostExample
    sizes: Annotated[list[Size], Field(min_length=1)]
    licences: list[Text]
    """Those of bases that bind nobody to a use."""
    memory: MemoryRules
    settings: SettingRules
    devices: dict[str, Device]
    utilisation: Utilisation


class Bounded(Protocol):
    """What stands in a table of bands."""

    @property
    def below(self) -> float | None: ...


B = TypeVar("B", bound=Bounded)


def band(bands: Sequence[B], value: float) -> B:
    """The band that a number falls into: the first that it is below, else the last."""
    return next((each for each in bands if each.below is not None and value < each.below), bands[-1])


def load_plan_rules(folders: Folders) -> PlanForm:
    """gate's own, and what the user's file says otherwise: key by key, a list as a whole.

    Raises:
        PolicyError: a file does not say something gate can do.
    """
    values: dict[str, object] = {}
    places: dict[str, Place] = {}
    for content in layers(FILE, folders):
        values = laid_over(values, content.values)
        places |= {"": Place(content.file, 1), **content.places}
    try:
        rules = PlanForm.model_validate_json(orjson.dumps(values))
    except ValidationError as error:
        raise policy_error(error, places=places, prefix="", valid=_valid_at) from None
    for key, bands in _tables(rules).items():
        _in_order(key, [each.below for each in bands], places)
    return rules


def _tables(rules: PlanForm) -> dict[str, Sequence[Bounded]]:
    decision, settings = rules.decision, rules.settings
    tables: dict[str, Sequence[Bounded]] = {
        "decision.examples": decision.examples,
        "decision.latency": decision.latency,
        "decision.target": decision.target,
        "sizes": rules.sizes,
    }
    for number, guide in enumerate(rules.memory.guides):
        tables[f"memory.guides.{number}.bands"] = guide.bands
    for name in ("rank", "dropout", "lr_full", "epochs", "batch", "weight_decay"):
        tables[f"settings.{name}.choose"] = getattr(settings, name).choose
    return tables


def _in_order(key: str, bounds: list[float | None], places: dict[str, Place]) -> None:
    """Every number falls into one band: bounds rise, and only the last band has none."""
    *first, last = bounds
    known = [each for each in first if each is not None]
    if last is not None or len(known) != len(first) or sorted(set(known)) != known:
        place = places.get(key)
        raise PolicyError(
            f"{key}: the bands do not cover every number once",
            where=str(place) if place else FILE,
            remedy="`below:` rises from band to band, and the last band has none",
        )


def _valid_at(location: Location) -> Collection[str]:
    """The keys that there are around a place."""
    form: object = PlanForm
    for part in location[:-1]:
        if isinstance(part, str) and isinstance(form, type) and issubclass(form, Form):
            field = form.model_fields.get(part)
            form = None if field is None else _form_in(field.annotation)
    return list(form.model_fields) if isinstance(form, type) and issubclass(form, Form) else []


def _form_in(annotation: object) -> object:
    """The form that a list, a mapping or an optional holds."""
    from typing import get_args

    if isinstance(annotation, type) and issubclass(annotation, Form):
        return annotation
    return next((found for part in get_args(annotation) if (found := _form_in(part)) is not None), None)
