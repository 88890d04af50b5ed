"""SARIF is what the standard's own schema says it is, which is fetched in an npm package and never copied."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gate.admission.result import AdmissionResult
from gate.reporting.sarif import to_sarif
from gate.verbs.check import check

PACKAGE = "@microsoft/jest-sarif@1.0.0-beta.0"
SCHEMA = "package/lib/schemas/sarif-2.1.0-rtm.5.json"
EXAMPLES = Path(__file__).parents[2] / "examples" / "support-desk"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Any:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here, which fetches the standard's schema")
    folder = tmp_path_factory.mktemp("schema")
    packed = subprocess.run(
        [npm, "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    if packed.returncode:
        pytest.skip("the package with the standard's schema cannot be fetched here")
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as members:
        member = members.extractfile(SCHEMA)
        assert member is not None
        schema = json.load(member)
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def test_the_example_is_valid(official: Any) -> None:
    log = json.loads(to_sarif(check(EXAMPLES, cache=False)))
    assert len(log["runs"][0]["results"]) > 50
    assert [error.message for error in official.iter_errors(log)] == []


def test_a_comparison_with_a_base_is_valid(official: Any, compared: AdmissionResult) -> None:
    assert [error.message for error in official.iter_errors(json.loads(to_sarif(compared)))] == []


def test_it_would_refuse_what_is_none(official: Any, small: AdmissionResult) -> None:
    log = json.loads(to_sarif(small))
    log["runs"][0]["results"][0]["levle"] = "error"
    assert list(official.iter_errors(log))
