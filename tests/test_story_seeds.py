"""The whole story of `make demo`, from check to the champion, on five seeds: of the base, of both trainings."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from examples.demo import PASSED, Story, data, models, prepare, promotion, tell
from gate.reporting.promotion_schema import PromotionEntry
from tests.test_offline import FORBIDDING

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


# Several stories are told at once, each on one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A team's folder once its data was checked, fixed, admitted and approved: the same for every seed."""
    return tell(Story(tmp_path_factory.mktemp("story") / "team", show=False), (prepare, data)).place


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sockets that record and refuse, in every Python process that is started; the file is there once one was asked."""
    (tmp_path / "site").mkdir()
    attempts = tmp_path / "attempts"
    named = FORBIDDING.replace('os.environ["GATE_TEST_ATTEMPTS"]', repr(str(attempts)))
    assert named != FORBIDDING  # a story takes no GATE_ variable over
    (tmp_path / "site" / "sitecustomize.py").write_text(named)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    return attempts


@pytest.mark.parametrize("seed", range(5))
def test_the_careful_one_is_promoted_and_the_reckless_one_forgot(
    seed: int, checked: Path, tmp_path: Path, offline: Path
) -> None:
    story = Story(shutil.copytree(checked, tmp_path / "team"), seed, show=False)
    tell(story, (models, promotion))  # which holds every command to its exit code

    careful = _decided(story, "careful", seed)
    assert careful["verdict"] == "pass"

    reckless = _decided(story, "reckless", seed)
    assert reckless["verdict"] == "fail"
    reason = reckless["reasons"][0]["said"]
    assert "skills" in reason, reason
    (forgotten,) = [each for each in reckless["outcomes"] if each["task"] == "skills" and each["against"] == "base"]
    assert forgotten["verdict"] == "fail"
    (learned,) = [each for each in reckless["outcomes"] if each["demand"] == "better"]
    assert learned["verdict"] == "pass", "it is refused for what it forgot, and not for what it did not learn"
    assert "careful" in story.type("gate models ls", PASSED)
    assert not offline.exists(), offline.read_text()


def _decided(story: Story, name: str, seed: int) -> PromotionEntry:
    """The report's JSON twin, as it was written beside the page."""
    said: PromotionEntry = json.loads((story.place / f"{name}.json").read_text("utf-8"))
    print(f"seed {seed}: {name}: {said['verdict']}: {said['reasons']}")
    return said
