"""What a person may write in a promotion policy, `rules/promotion/NAME.yaml`: the source of the published schema.

A form is read after `extends:` was followed (`gate.promotion.policy`), so that the same model is what a policy comes
to: no key of it has a threshold that nobody wrote.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gate.evaluation.task_document import SuiteName
from gate.policy.form import Form, Name, OneOrMore, Text

Points = Annotated[float, Field(ge=0)]
RefName = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$")]
Uses = Annotated[int, Field(ge=1)]
Whom = Literal["base", "champion", "both", "prompt"]


class NoWorseForm(Form):
    """How much worse than the other model the candidate may be, at most."""

    margin: Points
    """Of metrics that are shares: 0.03 is three points. The whole interval has to lie above minus the margin."""
    margins: dict[Name, Points] | None = None
    """Of metrics that are no shares, by their names: `{bits_per_byte: 0.02}`."""


class BetterForm(Form):
    """By how much the candidate has to be better."""

    by: Points
    """The whole interval of the difference has to lie above it; 0: better at all."""


class DemandForm(Form):
    """What is demanded of the candidate on the tasks of a suite. Where a parent has a demand of this `id`, only what
    differs is written."""

    id: Name
    """What the demand is called: in reports, and when another policy changes it."""
    suite: SuiteName
    """Whose tasks it is about."""
    tasks: OneOrMore = Field(default_factory=lambda: ["*"])
    """Names of tasks, or patterns (`mmlu_*`). A name that was not scored blocks; all tasks where it is left out."""
    except_: OneOrMore | None = Field(None, alias="except")
    """Names or patterns of tasks that it is not about."""
    metric: Name | None = None
    """The metric; each task's primary one where it is left out."""
    against: Whom
    """`base`: the untouched model. `champion`: the last promoted one, where there is one. `both`. `prompt`: the
    untouched model under the best prompts that it was scored with."""
    no_worse: NoWorseForm | None = None
    """Not worse by more than a margin."""
    better: BetterForm | None = None
    """Better. One of `no_worse` and `better` is needed."""
    together: bool = False
    """Judge the items of all these tasks as one set instead of task by task: fewer items settle it, and one task may
    lose what another gains."""
    required: bool = True
    """`false`: where the suite (or the champion, or the prompts) was not scored, the demand is left out, and said
    so."""
    gated: bool = True
    """`false`: shown, and decides nothing."""
    enabled: bool = True
    """`false` turns it off."""
    why: Text
    """One sentence that a reviewer understands."""

    @model_validator(mode="after")
    def _one(self) -> DemandForm:
        if (self.no_worse is None) == (self.better is None):
            raise PydanticCustomError("one_of", "demands `no_worse` or `better`, one of the two")
        return self


class LimitForm(Form):
    """A hard limit on a figure of the candidate's own. Where a parent has a limit of this `id`, only what differs is
    written."""

    id: Name
    """What the limit is called."""
    suite: SuiteName
    """Whose figure it is."""
    tasks: OneOrMore = Field(default_factory=lambda: ["*"])
    """Names of tasks, or patterns; all where it is left out."""
    figure: Name
    """The figure's name: a metric of a task, or what gate measures of leakage (`exposure`, `extraction`, …)."""
    most: float | None = None
    """The most that is allowed."""
    least: float | None = None
    """The least that is allowed."""
    hold: Literal["value", "interval"] = "value"
    """What is held against the limit: the figure as it was measured, or the whole of its interval (then an interval
    that has the limit in it is inconclusive)."""
    if_absent: Literal["block", "allow"] = "block"
    """What follows where the suite has no such figure (no canaries were inserted): nothing is judged, or it is left
    out, and said so. A suite that was not scored at all always blocks."""
    gated: bool = True
    """`false`: shown, and decides nothing."""
    enabled: bool = True
    """`false` turns it off."""
    why: Text
    """One sentence that a reviewer understands."""

    @model_validator(mode="after")
    def _one(self) -> LimitForm:
        if (self.most is None) == (self.least is None):
            raise PydanticCustomError("one_of", "says `most` or `least`, one of the two")
        return self


class TestUsesForm(Form):
    """How often the test split of a snapshot may be used: different candidates that were scored on it."""

    warn: Uses | None = None
    """From so many candidates on the report warns."""
    block: Uses | None = None
    """From so many candidates on nothing is judged."""


class RepeatForm(Form):
    """Whether the base has to be scored twice, to see what noise there is."""

    required: bool
    """`true`: a suite without a repeat of the base is not judged."""


class PromotionForm(Form):
    """A promotion policy, `rules/promotion/NAME.yaml`."""

    version: Literal[1]
    """The version of this form."""
    description: Text | None = None
    """One sentence on what it is for."""
    extends: OneOrMore | None = None
    """The policies that it starts from, later ones on top of earlier: names, or files relative to this one. Its own
    name stands for the shipped policy of that name."""
    champion: RefName
    """The name of the last promoted model, which a candidate that passes and is approved takes over."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    """The probability that a candidate passes whose true loss on a task is the margin; intervals are two one-sided
    bounds at this level."""
    demands: Annotated[list[DemandForm], Field(min_length=1)]
    """What is demanded against other models."""
    limits: list[LimitForm] = Field(default_factory=list)
    """Hard limits on the candidate's own figures."""
    waivable: list[SuiteName] = Field(default_factory=list)
    """Suites of which an outcome may be waived (`gate waive promotion/SUITE`), named and expiring."""
    prompts_may_differ: bool = False
    """Whether a candidate with another chat template or tokenizer is compared all the same, and shown as such."""
    remote: Literal["refuse", "allow"] = "refuse"
    """Whether a model behind a URL, whose weights nobody can check, may be compared with."""
    environments: Literal["warn", "block"] = "warn"
    """What follows where the models were scored with different libraries or devices."""
    test_uses: TestUsesForm = Field(default_factory=lambda: TestUsesForm())
    """How often a test split may be used."""
    repeat: RepeatForm
    """Whether the noise has to be measured."""

    @field_validator("demands", "limits")
    @classmethod
    def _named_once(cls, entries: list[DemandForm] | list[LimitForm]) -> list[DemandForm] | list[LimitForm]:
        ids = [each.id for each in entries]
        if twice := [each for each in ids if ids.count(each) > 1]:
            raise PydanticCustomError("twice", "{id} stands there twice", {"id": twice[0]})
        return entries

    @model_validator(mode="after")
    def _something(self) -> PromotionForm:
        if not any(each.enabled and each.gated for each in self.demands):
            raise PydanticCustomError("nothing", "no demand is enabled and gated, and it would promote anything")
        return self
