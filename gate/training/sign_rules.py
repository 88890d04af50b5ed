"""The thresholds of warning signs: `rules/training.yaml`, the shipped one with a repository's own on top of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, Field, ValidationError

from gate.folders import Folders
from gate.policy.form import Form
from gate.policy.invalid import Location, policy_error
from gate.policy.layers import laid_over, layers
from gate.policy.model import Place
from gate.policy.yaml_file import YamlFile

FILE = "rules/training.yaml"

Severity = Literal["error", "warning", "info", "off"]
Positive = Annotated[float, Field(gt=0)]
Window = Annotated[int, Field(ge=2)]
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]


class SignForm(Form):
    """What every sign has."""

    severity: Severity
    """`off`: it is not looked for."""
    remedy: Text
    """What to do about it."""


class OverfittingForm(SignForm):
    """The validation loss rises while the training loss falls."""

    evaluations: Annotated[int, Field(ge=1)]
    """So many in a row."""
    rise: Positive
    """In nats, above the best."""


class PlateauForm(SignForm):
    """Both losses stand still, and high."""

    window: Window
    fall: Positive
    """The share of itself that the training loss fell by."""
    rise: Positive
    """In nats: by how much the validation loss may have moved."""
    high: Positive
    """The share of the first window's mean that the training loss is above."""


class SpikeForm(SignForm):
    """A point far above those before it."""

    window: Window
    deviations: Positive
    ratio: Positive
    """The share of the median by which it stands above it."""


class NotFiniteForm(SignForm):
    """NaN or infinity: stops the run."""

    skipped: Annotated[int, Field(ge=1)]
    """fp16: steps left out in a row."""


class AlwaysClippedForm(SignForm):
    """Nearly every gradient is cut down."""

    window: Window
    share: Annotated[float, Field(gt=0, le=1)]


class ExplodingForm(SignForm):
    """A gradient much larger than those before it."""

    window: Window
    times: Positive


class OscillationForm(SignForm):
    """The loss swings without falling."""

    window: Window
    deviation: Positive
    fall: Positive


class FallForm(SignForm):
    """Of `still_falling` and `barely_moves`."""

    window: Window
    fall: Positive


class RateForm(Form):
    """The learning rate is outside the guides' ranges, which say what to do."""

    severity: Severity


class SignRules(Form):
    """Each sign."""

    overfitting: OverfittingForm
    plateau: PlateauForm
    spike: SpikeForm
    not_finite: NotFiniteForm
    always_clipped: AlwaysClippedForm
    exploding: ExplodingForm
    oscillation: OscillationForm
    still_falling: FallForm
    barely_moves: FallForm
    rate_outside: RateForm
    forgetting: SignForm
    blind_monitor: SignForm


class TrainingForm(Form):
    """`rules/training.yaml` as a whole."""

    version: Literal[1]
    signs: SignRules


def load_sign_rules(folders: Folders) -> SignRules:
    """The thresholds: gate's own, and what the user's file says otherwise, key by key.

    Raises:
        PolicyError: a file does not say something gate can do.
    """
    values: dict[str, object] = {}
    places: dict[str, Place] = {}
    for content in layers(FILE, folders):
        values = laid_over(values, content.values)
        places |= {"": Place(content.file, 1), **content.places}
        made = _validated(values, places, content)
    return made.signs


def _validated(values: dict[str, object], places: dict[str, Place], content: YamlFile) -> TrainingForm:
    try:
        return TrainingForm.model_validate_json(orjson.dumps(values))
    except ValidationError as error:
        raise policy_error(error, places=places, prefix="", valid=_valid_at) from None


def _valid_at(location: Location) -> Collection[str]:
    form: type[BaseModel] = TrainingForm
    for part in location[:-1]:
        kind = form.model_fields[str(part)].annotation if str(part) in form.model_fields else None
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            break
        form = kind
    return list(form.model_fields)
