"""What hostile tests share: every shipped rule bound to its check, and a cache and settings of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import gate
from gate.admission.bind import BoundRule, bind
from gate.data.frame import KINDS
from gate.folders import Folders
from gate.policy.select import policy_for
from gate.policy.settings import Settings

Judge = Callable[..., gate.AdmissionResult]


@pytest.fixture(scope="session", params=["shipped", pytest.param("strict", marks=pytest.mark.slow)])
def every_rule(request: pytest.FixtureRequest) -> tuple[BoundRule, ...]:
    """Every rule of the shipped policies, of all kinds, or of `strict`."""
    folders = Folders()
    policy = None if request.param == "shipped" else request.param
    policies = {kind: policy_for(kind, policy, Settings(), folders) for kind in (*KINDS, None)}
    return tuple(bind(policies, select=[], ignore=[], folders=folders))


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """`gate.check` with a cache of its own, at `tmp_path / "cache"`."""
    monkeypatch.setenv("GATE_CACHE", str(tmp_path / "cache"))
    return gate.check
