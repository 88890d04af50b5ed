"""Other backends: a server by its URL gives what the model gives here, and is a form of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from gate.errors import UsageError
from gate.evaluation.backends import NotScored, opened
from gate.evaluation.harness import key_for, score_task
from gate.evaluation.items import values
from gate.evaluation.settings import Settings
from gate.evaluation.subject import remote_subject
from gate.evaluation.task import Task
from tests.evaluation.conftest import Scored
from tests.evaluation.made import ACC, CHOOSE, EXACT, GENERATE, additions, capitals, task_of
from tests.evaluation.serving import served

SUMS = task_of("sums", additions(8), GENERATE, EXACT)
CAPITALS = task_of("capitals", capitals()[:6], CHOOSE, ACC)


@pytest.fixture(scope="module")
def url(scored: Scored) -> Iterator[str]:
    with served(scored.base_folder) as address:
        yield address


def score(scored: Scored, task: Task, settings: Settings, **changes: Any) -> Any:
    with opened(replace(scored.base, **changes), settings) as backend:
        return score_task(task, settings, backend, lambda done, total: None)[0]


def test_a_server_gives_what_the_model_gives_here(scored: Scored, url: str) -> None:
    settings = Settings(backend="local-completions", url=url, batch_size=2, max_length=1024)
    for task, metric in ((SUMS, "exact_match"), (CAPITALS, "acc")):
        here = score(scored, task, Settings())
        there = score(scored, task, settings, form="remote")
        assert there["prompt"].equals(here["prompt"])
        assert there["doc_hash"].equals(here["doc_hash"])
        assert there["prompt_hash"].equals(here["prompt_hash"])
        assert abs(values(there, metric).sum() - values(here, metric).sum()) <= 1  # type: ignore[operator]
        assert (there["output"] == here["output"]).sum() >= there.height - 1


def test_a_chat_server_generates_and_gives_no_likelihoods(scored: Scored, url: str) -> None:
    settings = Settings(backend="local-chat-completions", url=url, batch_size=1)
    there = score(scored, SUMS, settings, form="remote")
    assert (there["output"] == score(scored, SUMS, Settings())["output"]).sum() >= 7
    with pytest.raises(NotScored, match="this backend cannot do what the task asks for") as error:
        score(scored, CAPITALS, settings, form="remote")
    assert "local-completions" in str(error.value)


def test_a_server_that_is_not_there_is_said_so(scored: Scored) -> None:
    settings = Settings(backend="local-completions", url="http://127.0.0.1:9/v1")
    with pytest.raises(NotScored, match="sums: its data or its server cannot be reached"):
        score(scored, SUMS, settings, form="remote")


def test_a_model_behind_a_url_is_known_by_its_owners_word_alone(scored: Scored) -> None:
    subject = remote_subject("gpt", "http://127.0.0.1:9/v1")
    assert (subject.form, subject.folder, subject.training) == ("remote", None, None)
    assert subject.model != remote_subject("gpt", "http://127.0.0.1:8/v1").model
    here, there = Settings(), Settings(backend="local-completions", url="http://127.0.0.1:9/v1")
    assert key_for(scored.base, SUMS, here) != key_for(replace(scored.base, form="remote"), SUMS, there)


def test_lm_evals_other_backends_are_passed_through(scored: Scored) -> None:
    """`dummy` is lm-eval's own plumbing test: it answers anything."""
    settings = Settings(backend="dummy", chat_template=False)
    with opened(replace(scored.base, folder=None), settings) as backend:
        items, _ = score_task(SUMS, settings, backend, lambda done, total: None)
    assert items.height == 8
    with pytest.raises(UsageError, match="lm-eval has no backend 'vlm'"), opened(scored.base, Settings(backend="vlm")):
        pass


def test_options_of_the_model_class_reach_it_and_others_are_refused(scored: Scored) -> None:
    with opened(scored.base, Settings(backend_args={"add_bos_token": "false"})) as backend:
        assert backend.lm.add_bos_token is False
    refused = Settings(backend_args={"limit": "5"})
    with pytest.raises(UsageError, match="`limit` is not for --backend-arg"), opened(scored.base, refused):
        pass
