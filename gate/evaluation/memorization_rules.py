"""How memorisation is measured: `rules/suites/memorization/memorization.yaml`, the shipped one with a repository's own
on top of it. Every size stands there; the code holds none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import orjson
from pydantic import Field, ValidationError

from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.form import Form, Name, Text
from gate.policy.invalid import Location, policy_error
from gate.policy.layers import laid_over, layers
from gate.policy.model import Place

FILE = "rules/suites/memorization/memorization.yaml"
_UNDER = "metadata.gate"

Some = Annotated[int, Field(ge=1, le=100_000)]
Tokens = Annotated[int, Field(ge=1, le=4096)]


class CanaryForm(Form):
    """Exposure of canaries."""

    controls: Annotated[int, Field(ge=15, le=1_048_575)]
    """Never-inserted strings that each canary is ranked among; at most log2(controls + 1) bits can be seen."""


class ExtractionForm(Form):
    """Rows that come out when their beginning is put in."""

    rows: Some
    """Of each side, trained on and held out."""
    prefix: Some
    """Words of the answer that are given."""
    suffix: Some
    """Words that must come out."""
    shortest: Some
    """Rows of which fewer words would have to come out are left out."""
    run: Some
    """Words in common, one after another, that count as a copy."""
    tokens: Tokens
    """Generated at most."""


class PiiForm(Form):
    """Personal data of training rows in what is generated."""

    rows: Some
    """Of each side; trained ones with personal data first."""
    policy: Name
    """Whose rules of the check `pii` say what is looked for."""
    tokens: Tokens
    """Generated at most."""


class MembershipForm(Form):
    """Whether the loss tells rows that were trained on from others."""

    rows: Some
    """Of each side."""
    false_positives: Annotated[float, Field(gt=0, lt=0.5)]
    """The share of held-out rows that may be taken for trained ones."""


class MemorizationRules(Form):
    """What stands under `metadata: gate:`."""

    about: Text
    """One sentence for reports."""
    seed: Annotated[int, Field(ge=0)]
    """Of the draw of rows."""
    canaries: CanaryForm
    extraction: ExtractionForm
    pii: PiiForm
    membership: MembershipForm

    @property
    def most(self) -> int:
        """Rows of one side that some task asks for."""
        return max(self.extraction.rows, self.pii.rows, self.membership.rows)


def load_memorization_rules(folders: Folders) -> MemorizationRules:
    """The rules: gate's own, and what the user's file says otherwise, key by key.

    Raises:
        PolicyError: a file does not say something gate can do, with file and line.
    """
    values: dict[str, object] = {}
    places: dict[str, Place] = {}
    for content in layers(FILE, folders):
        values = laid_over(values, content.values)
        places |= {"": Place(content.file, 1), **content.places}
    metadata = values.get("metadata")
    said = metadata.get("gate") if isinstance(metadata, Mapping) else None
    if not isinstance(said, Mapping):
        raise PolicyError("`metadata: gate:` is no mapping", where=str(places[""]), remedy="see docs/memorization.md")
    own = {key: value for key, value in said.items() if key != "extends"}  # of every suite; this one always extends
    try:
        return MemorizationRules.model_validate_json(orjson.dumps(own))
    except ValidationError as error:
        raise policy_error(error, places=places, prefix=_UNDER, valid=_valid_at) from None


def _valid_at(location: Location) -> list[str]:
    form: type[Form] = MemorizationRules
    for part in location[:-1]:
        inner = form.model_fields[str(part)].annotation if str(part) in form.model_fields else None
        form = inner if isinstance(inner, type) and issubclass(inner, Form) else form
    return list(form.model_fields)
