"""Results to render: a small dataset with one problem of each kind, built from the frames that checks really use."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from gate.admission.profile import PROFILE, completed, profile
from gate.admission.result import FINDINGS, AdmissionResult, Comparison, RuleOutcome
from gate.checks.base import Context, Params
from gate.data.corpus import Corpus
from gate.data.frame import EXAMPLES, MALFORMED, Dataset, SkippedFile, SourceFile
from gate.data.views import Frames
from gate.folders import Folders
from gate.policy.model import Policy, Rule
from gate.promotion.decided import Decided
from gate.reporting.promotion_told import Told
from gate.verbs.promotion_told import told_of
from tests.reporting import promotion_made as promotions

EMAIL = "maria.oliveira@contoso-mail.net"
KEY = "AKIA4XQ7ZP2LM9TR6WBD"
PHONE = "+49 171 5550 8812"
HOSTILE = (
    "[red]markup[/red] \x1b[31mansi \u202egnp.exe\u202c "
    "</script><script>document.title='PWNED'</script><img src=x onerror=\"document.title='PWNED'\">"
    "<a href=\"javascript:document.title='PWNED'\">x</a>"
)
HOSTILE_FILE = "a<script>document.title='PWNED'</script>[bold]\x1b[2J\u202e.jsonl"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def chat(number: int, prompt: str, answer: str, file: str = "train.jsonl", **other: object) -> dict[str, object]:
    """One example with a user's and an assistant's turn."""
    turns = [
        {"role": role, "content": content, "name": None, "tool_calls": None, "tool_call_id": None}
        for role, content in (("user", prompt), ("assistant", answer))
    ]
    example = dict.fromkeys(EXAMPLES) | {
        "id": digest(prompt + "\0" + answer),
        "record_id": digest(f"{file}:{number}"),
        "file": file,
        "row": number,
        "line": number,
        "shape": "messages",
        "kind": "chat",
        "split": "train",
        "messages": turns,
    }
    return example | other


def finding(rule: str, example: dict[str, object] | None = None, **values: object) -> dict[str, object]:
    """One finding; `example` fills in where it is."""
    at = {} if example is None else {name: example[name] for name in ("id", "file", "row")}
    base = dict.fromkeys(FINDINGS) | {"severity": "error", "remedy": "fix", "message": "", "code": rule, "state": "new"}
    return base | {"rule": rule} | at | values


def rule(name: str, **values: object) -> Rule:
    settings: dict[str, object] = {
        "id": name,
        "check": name,
        "severity": "error",
        "tolerate": 0,
        "remedy": "fix",
        "why": f"A reason for {name} that an owner of data understands.",
    }
    return Rule(**(settings | values))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Held(Dataset):
    """A dataset in memory that gives out rows as one in the cache does."""

    def fetch(self, places: pl.DataFrame) -> pl.DataFrame:
        wanted = places.select(pl.col("file").cast(pl.String), pl.col("row").cast(pl.UInt32))
        return self.examples.join(wanted, on=["file", "row"], how="semi", maintain_order="left")

    def with_ids(self, ids: Sequence[str]) -> pl.DataFrame:
        return self.examples.filter(pl.col("id").is_in(list(ids))).select("id", "file", "row")


def figures(
    examples: pl.DataFrame, malformed: pl.DataFrame, files: Sequence[SourceFile], findings: pl.DataFrame
) -> dict[str, object]:
    """The profile, measured as a run measures it."""
    frames = Frames(examples, malformed)
    assert PROFILE.features is not None
    features = PROFILE.features(frames, Params(), Context(cast(Any, None), Folders()))
    return completed(profile(Corpus.of(frames, features, files=files)), findings, [])


def build(
    examples: Sequence[dict[str, object]],
    findings: Sequence[dict[str, object]],
    outcomes: Sequence[RuleOutcome],
    *,
    malformed: Sequence[dict[str, object]] = (),
    skipped: Sequence[SkippedFile] = (),
    **values: object,
) -> AdmissionResult:
    frame = pl.DataFrame(examples, schema=EXAMPLES, orient="row")
    bad = pl.DataFrame(malformed, schema=MALFORMED, orient="row")
    found = pl.DataFrame(findings, schema=FINDINGS, orient="row")
    names = [*dict.fromkeys([*frame["file"].to_list(), *bad["file"].to_list()])]
    files = tuple(
        SourceFile(
            path=name,
            bytes=1234,
            sha256=digest(name),
            format="jsonl",
            shape="messages",
            split="train",
            examples=frame.filter(pl.col("file") == name).height,
            malformed=bad.filter(pl.col("file") == name).height,
        )
        for name in names
    )
    dataset = Held("data", frame, bad, files, tuple(skipped))
    settings: dict[str, object] = {
        "verdict": "fail",
        "reason": "pii and near_duplicates failed",
        "outcomes": tuple(outcomes),
        "findings": found,
        "dataset": dataset,
        "policies": {"chat": Policy("chat", "for chat", (), digest("chat"), ("rules/admission/chat.yaml",))},
        "profile": figures(frame, bad, files, found),
        "version": "0.1.0",
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 1.25,
    }
    return AdmissionResult(**(settings | values))  # type: ignore[arg-type]


def small_result() -> AdmissionResult:
    """Every status, a malformed row, a cluster, PII with and without a span, hostile text and a hostile file name."""
    long = "The parcel left our warehouse on Monday and should reach you within three working days. " * 3
    rows = [
        chat(1, "Where is my parcel?", long + "Reply to this message if it does not."),
        chat(2, "Where is my parcel now?", long + "Answer this message if it does not."),
        chat(3, "Where's my parcel?", long + "Reply to this letter if it does not arrive."),
        chat(4, f"Write to {EMAIL} please", f"I wrote to {EMAIL} and called {PHONE}."),
        chat(5, "What is the key?", f"The key is {KEY}, keep it safe."),
        chat(6, HOSTILE, f"{HOSTILE} and more"),
        chat(1, "Another file", "With an answer.", file=HOSTILE_FILE, split=None),
    ]
    start = rows[3]["messages"][0]["content"].index(EMAIL)  # type: ignore[index]
    found = [
        finding(
            "near_duplicates", rows[1], code="near_duplicate", message="0.93 similar to train.jsonl:1",
            group="g1", partner=rows[0]["id"], score=0.93, remedy="drop",
        ),
        finding(
            "near_duplicates", rows[2], code="near_duplicate", message="0.88 similar to train.jsonl:1",
            group="g1", partner=rows[0]["id"], score=0.88, remedy="drop",
        ),
        finding(
            "pii", rows[3], code="EMAIL_ADDRESS", message="an e-mail address", field="messages[0].content",
            start=start, end=start + len(EMAIL), evidence="m****.********@*******-****.***", score=1.0, remedy="redact",
        ),
        finding("pii", rows[4], code="SECRET", message="an access key", evidence="A*******", remedy="redact"),
        finding("structure", rows[5], code="odd", message="looks odd", severity="warning"),
        finding("structure", rows[6], code="odd", message="looks odd", evidence=HOSTILE, severity="warning"),
        finding("expectations", code="row_count", message="fewer rows than expected", severity="warning"),
    ]  # fmt: skip
    bad = dict.fromkeys(MALFORMED) | {
        "file": "train.jsonl", "row": 7, "line": 7, "offset": 4096, "digest": digest("bad"), "kind": "chat",
        "reason": "invalid_json", "message": "the line is no JSON", "head": f'{{"messages": {HOSTILE}',
    }  # fmt: skip
    outcomes = [
        RuleOutcome(rule("structure", severity="warning"), ("chat",), "warned", 8, 2, 0),
        RuleOutcome(rule("exact_duplicates", remedy="drop"), ("chat",), "passed", 7, 0, 0),
        RuleOutcome(rule("near_duplicates", remedy="drop", tolerate=0.01), ("chat",), "failed", 7, 2, 0),
        RuleOutcome(rule("pii", remedy="redact"), ("chat",), "failed", 7, 2, 0),
        RuleOutcome(rule("names"), ("chat",), "errored", reason="ValueError at pii.py:12: [red]no model[/red]"),
        RuleOutcome(rule("expectations"), ("chat", None), "skipped", reason="there was nothing to look at"),
    ]
    return build(rows, found, outcomes, malformed=[bad], skipped=[SkippedFile("README.md", "not data")])


def compared_result() -> AdmissionResult:
    """The small result, as a pull request that adds rows 4 to 7 and a file to a base that had been worse elsewhere."""
    result = small_result()
    old = (pl.col("file") == "train.jsonl") & (pl.col("row") < 4)
    findings = result.findings.with_columns(
        pl.when(old).then(pl.lit("unchanged")).otherwise(pl.lit("new")).cast(FINDINGS["state"]).alias("state")
    )
    gone = [finding("pii", None, code="IBAN", file="old.jsonl", row=9, message="an IBAN", remedy="redact", state=None,
                    evidence=f"write to {EMAIL}", severity="error")]  # fmt: skip
    fixed = pl.DataFrame(gone, schema=FINDINGS, orient="row")
    changed = {"near_duplicates": {"status": "passed", "flagged": 0, "unchanged": 2}, "pii": {"fixed": 1}}
    outcomes = tuple(replace(each, **changed.get(each.rule.id, {})) for each in result.outcomes)  # type: ignore[arg-type]
    before = result.dataset.examples.filter(old)
    file = replace(result.dataset.files[0], examples=3, malformed=1)
    profile_ = figures(before, result.dataset.malformed.clear(), [file], findings.clear())
    comparison = Comparison("main", "0123456789abcdef0123456789abcdef01234567", 4, 5, 3, 1, fixed, profile_)
    return replace(
        result, findings=findings, outcomes=outcomes, comparison=comparison, reason="names could not be judged",
        verdict="error",
    )  # fmt: skip


class Make:
    """The builders, as a fixture: test modules cannot import one another."""

    build, chat, finding, rule = staticmethod(build), staticmethod(chat), staticmethod(finding), staticmethod(rule)
    raw = (EMAIL, KEY, PHONE)
    hostile, hostile_file = HOSTILE, HOSTILE_FILE


@pytest.fixture
def make() -> type[Make]:
    return Make


@pytest.fixture
def small() -> AdmissionResult:
    return small_result()


@pytest.fixture
def compared() -> AdmissionResult:
    return compared_result()


@pytest.fixture
def chromium() -> str:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium is installed")
    return path


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare with a file in `tests/reporting/golden/`; `GATE_UPDATE_GOLDEN=1` writes it anew."""
    import os

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if os.environ.get("GATE_UPDATE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"GATE_UPDATE_GOLDEN=1 pytest {request.node.nodeid}"

    return compare


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> promotions.Made:
    """A store with a snapshot, a run and people. Tests that say something in it use their own."""
    return promotions.made(tmp_path_factory.mktemp("promotion"))


@pytest.fixture(scope="session")
def passed(place: promotions.Made) -> Decided:
    """A candidate that learned its task and kept the rest; the first one."""
    return promotions.decided(place)


@pytest.fixture(scope="session")
def failed(place: promotions.Made) -> Decided:
    """One that forgot, beside a champion, and whose criteria were changed after training."""
    return promotions.changed_criteria(promotions.decided(place, promotions.FORGOT, champion=True))


@pytest.fixture(scope="session")
def unclear(place: promotions.Made) -> Decided:
    """One of which too few items say too little."""
    return promotions.decided(place, promotions.UNCLEAR)


@pytest.fixture(scope="session")
def told(place: promotions.Made, passed: Decided) -> Told:
    """What the store tells of it."""
    return told_of(passed, place.ledger, place.people.trust, author="ana")
