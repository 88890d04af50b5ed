"""Which rows count as synthetic by what they say of themselves, and how many may be."""

from __future__ import annotations

import json
from typing import cast

import polars as pl
import pytest
from pydantic import ValidationError

from gate.admission.bind import bind
from gate.checks.base import Context, Measurement
from gate.checks.synthetic import SyntheticParams, synthetic
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.views import Frames
from gate.folders import Folders
from gate.policy.load import load_policy

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders


@pytest.fixture(scope="module")
def params() -> SyntheticParams:
    """As shipped."""
    (bound,) = bind({"chat": load_policy("chat", Folders(), kind="chat")}, select=["synthetic"])
    assert isinstance(bound.params, SyntheticParams)
    return bound.params


def measure(params: SyntheticParams, *metas: dict[str, object] | None, split: str | None = None) -> Measurement:
    rows = [
        {"id": str(at), "file": "a", "row": at, "kind": "chat", "split": split, "meta": json.dumps(m) if m else None}
        for at, m in enumerate(metas)
    ]
    return synthetic.run(Frames(pl.DataFrame(rows, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED)), params, CONTEXT)


@pytest.mark.parametrize(
    "meta",
    [
        {"synthetic": True},
        {"is_synthetic": "yes"},
        {"generated": 1},
        {"augmentation": "back-translation"},
        {"generator": "house model"},
        {"source": "gpt-4o-mini"},
        {"source": "GPT4"},
        {"origin": "Synthetic"},
        {"method": "paraphrase"},
        {"model": "meta-llama/Llama-3-8b"},
        {"source": "self-instruct"},
    ],
)
def test_a_row_may_say_so_in_many_ways(params: SyntheticParams, meta: dict[str, object]) -> None:
    assert measure(params, meta, None).figures["synthetic"] == 1


@pytest.mark.parametrize(
    "meta",
    [
        None,
        {"synthetic": False},
        {"synthetic": None},
        {"generated": "no"},
        {"augmented": 0},
        {"source": "support desk"},
        {"source": "Phil Llamazares"},
        {"source": "Claude Monet"},
        {"source": "Claude-Marie"},
        {"model": "Aria espresso machine"},
        {"note": "synthetic"},
    ],
)
def test_what_does_not_say_so_is_not_counted(params: SyntheticParams, meta: dict[str, object] | None) -> None:
    assert measure(params, meta).skipped == "no row to train on is marked as synthetic or augmented"


def test_more_than_the_greatest_share_is_a_finding(params: SyntheticParams) -> None:
    one: dict[str, object] = {"synthetic": True}
    assert measure(params, one, None).findings.is_empty()
    found = measure(params, one, one, one, None).findings
    assert found.select("code", "score").rows() == [("too_much_synthetic", pytest.approx(0.25))]
    assert found["row"].null_count() == 1


def test_rows_that_are_held_out_do_not_count(params: SyntheticParams) -> None:
    assert measure(params, {"synthetic": True}, split="test").skipped


def test_models_are_counted_by_name_and_nothing_else_of_the_value_is_kept(params: SyntheticParams) -> None:
    figures = measure(params, {"source": "gpt-4o by ann@corp.test"}, {"source": "gpt-4o"}, {"synthetic": "x"}).figures
    assert figures["by gpt-4o"] == 2
    assert "ann" not in str(figures)


def test_a_pattern_that_does_not_compile_is_refused(params: SyntheticParams) -> None:
    with pytest.raises(ValidationError, match="linear time"):
        SyntheticParams.model_validate({**params.model_dump(), "values": ["(?=x)"]})
