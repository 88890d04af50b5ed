"""Which values the secrets check takes for secrets, which for placeholders, and that it never shows one.

No value here is a real one, and none stands here as a whole: they are drawn by chance in the vendors' forms.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gate.checks.base import FOUND, Context, Measurement
from gate.checks.secrets import SecretsParams, secrets
from gate.checks.secrets_detect import Limits, hits
from gate.checks.secrets_kinds import KINDS, SecretKind
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.masking import mask_text
from gate.data.read import read
from gate.data.views import Frames

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders
LIMITS = {"entropy": 3.0, "generic_entropy": 3.5, "hexadecimal_entropy": 3.0}

UPPER, LOWER, DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
ALPHANUMERIC, HEXADECIMAL = UPPER + LOWER + DIGITS, DIGITS + "abcdef"


def drawn(alphabet: str, length: int, seed: int = 0) -> str:
    """A value as a vendor draws it, with at least one digit, capital and small letter where there can be."""
    chance = random.Random(f"{alphabet}{length}{seed}")
    return "".join(chance.choice(alphabet) for _ in range(length))


def token(seed: int = 0) -> str:
    def part(fields: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part({'sub': drawn(HEXADECIMAL, 12, seed)})}.{drawn(ALPHANUMERIC, 43, seed)}"


def pem(label: str = "RSA PRIVATE KEY", line: str = "\n") -> str:
    body = line.join(drawn(ALPHANUMERIC + "+/", 64, seed) for seed in range(6))
    return f"-----BEGIN {label}-----{line}{body}{line}-----END {label}-----"


def url(scheme: str, password: str) -> str:
    return f"{scheme}://billing:{password}@db.harbour-lights.co.uk:5432/ledger"


PASSWORD = drawn(ALPHANUMERIC + "!$&#-_", 14, 5)

# Kind, the text it stands in, and the value that has to be found.
VALUES: list[tuple[SecretKind, str, str]] = [
    ("aws_access_key", "{}", "AKIA" + drawn(UPPER + "234567", 16)),
    ("aws_access_key", "{}", "ASIA" + drawn(UPPER + "234567", 16)),
    ("aws_secret_key", "aws_secret_access_key = {}", drawn(ALPHANUMERIC + "+/", 40)),
    ("aws_secret_key", '{{"SecretAccessKey": "{}"}}', drawn(ALPHANUMERIC + "+/", 40, 1)),
    ("azure_key", "AccountName=ledger;AccountKey={};", drawn(ALPHANUMERIC + "+/", 86) + "=="),
    ("azure_key", "SharedAccessKey={}", drawn(ALPHANUMERIC + "+/", 43) + "="),
    ("azure_key", "{}", "Ab1" + "8Q~" + drawn(ALPHANUMERIC, 34)),
    ("google_key", "{}", "AIza" + drawn(ALPHANUMERIC + "-_", 35)),
    ("google_key", "{}", "GOCSPX-" + drawn(ALPHANUMERIC, 28)),
    ("google_key", "{}", "ya29." + drawn(ALPHANUMERIC + "-_", 120)),
    *(("github_token", "{}", f"gh{each}_" + drawn(ALPHANUMERIC, 36)) for each in "pousr"),
    ("github_token", "{}", "github_pat_" + drawn(ALPHANUMERIC, 22) + "_" + drawn(ALPHANUMERIC, 59)),
    ("gitlab_token", "{}", "glpat-" + drawn(ALPHANUMERIC, 20)),
    ("openai_key", "{}", "sk-" + drawn(ALPHANUMERIC, 20) + "T3Blbk" + "FJ" + drawn(ALPHANUMERIC, 20, 1)),
    ("openai_key", "{}", "sk-proj-" + drawn(ALPHANUMERIC + "-_", 120)),
    ("openai_key", "{}", "sk-" + drawn(HEXADECIMAL, 32)),
    ("anthropic_key", "{}", "sk-ant-api03-" + drawn(ALPHANUMERIC + "-_", 93) + "AA"),
    ("huggingface_token", "{}", "hf_" + drawn(UPPER + LOWER, 34)),
    ("slack_token", "{}", f"xoxb-{drawn(DIGITS, 12)}-{drawn(DIGITS, 12, 1)}-{drawn(ALPHANUMERIC, 24)}"),
    ("slack_token", "{}", f"https://hooks.slack.com/services/T{drawn(UPPER, 8)}/B{drawn(UPPER, 8)}/{drawn(LOWER, 24)}"),
    ("slack_token", "{}", f"xapp-1-A{drawn(UPPER, 9)}-{drawn(DIGITS, 13)}-{drawn(HEXADECIMAL, 64)}"),
    ("stripe_key", "{}", "sk_live_" + drawn(ALPHANUMERIC, 24)),
    ("stripe_key", "{}", "rk_test_" + drawn(ALPHANUMERIC, 99)),
    ("stripe_key", "{}", "whsec_" + drawn(ALPHANUMERIC, 32)),
    ("twilio_key", "{}", "SK" + drawn(HEXADECIMAL, 32)),
    ("sendgrid_key", "{}", f"SG.{drawn(ALPHANUMERIC, 22)}.{drawn(ALPHANUMERIC, 43)}"),
    ("npm_token", "{}", "npm_" + drawn(ALPHANUMERIC, 36)),
    ("npm_token", "//registry.example.org/:_authToken={}", "8d3f6a02-5b1c-4e97-a0d4-6c29e1f7b853"),
    ("pypi_token", "{}", "pypi-AgEIcHlwaS5vcmc" + drawn(ALPHANUMERIC + "-_", 130)),
    ("discord_token", "{}", f"M{drawn(ALPHANUMERIC, 23)}.{drawn(ALPHANUMERIC, 6)}.{drawn(ALPHANUMERIC, 27)}"),
    ("telegram_token", "{}", f"{drawn(DIGITS, 9)}:AA{drawn(ALPHANUMERIC, 33)}"),
    ("mailchimp_key", "{}", drawn(HEXADECIMAL, 32) + "-us14"),
    ("square_token", "{}", "sq0csp-" + drawn(ALPHANUMERIC, 43)),
    ("jwt", "{}", token()),
    ("jwt", "Authorization: Bearer {}", token(1)),
    ("connection_string", url("postgres", "{}"), PASSWORD),
    ("connection_string", url("mongodb+srv", "{}"), PASSWORD),
    ("connection_string", "redis://:{}@cache:6379", PASSWORD),
    ("connection_string", "Server=tcp:db,1433;Database=l;User ID=b;Password={};Encrypt=True", "t7Kq-vR2mZx9"),
    ("basic_auth", "git clone https://ann:{}@git.harbour-lights.co.uk/a.git", "t7Kq!vR2$mZx9"),
    ("generic_password", 'password = "{}"', "t7Kq-vR2mZx9"),
    ("generic_password", "DB_PASSWORD={}", "t7Kq-vR2mZx9"),
    ("generic_password", '{{"user": "ann", "pass" "word": 1, "db_password": "{}"}}', "t7Kq-vR2mZx9"),
    ("generic_secret", 'api_key = "{}"', drawn(ALPHANUMERIC, 32)),
    ("generic_secret", "apiKey: '{}'", drawn(HEXADECIMAL, 32)),
    ("generic_secret", "SERVICE_TOKEN={}", drawn(ALPHANUMERIC, 24)),
    ("generic_secret", 'config["client_secret"] = "{}"', drawn(ALPHANUMERIC, 28)),
    ("generic_secret", r"{{\"arguments\": \"{{\\\"access_token\\\": \\\"{}\\\"}}\"}}", drawn(ALPHANUMERIC, 30)),
]


def frames(texts: Sequence[str]) -> Frames:
    rows = [{"id": f"id{at}", "file": "a.jsonl", "row": at, "kind": "text", "text": text} for at, text in
            enumerate(texts, start=1)]  # fmt: skip
    return Frames(pl.DataFrame(rows, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))


def measure(*texts: str, **params: Any) -> Measurement:
    return secrets.run(frames(texts), SecretsParams(**LIMITS | params), CONTEXT)


def seen(text: str, **params: Any) -> list[tuple[str, str | None, str]]:
    """Code, severity and value of everything found in a text."""
    found = measure(text, **params).findings.select("code", "severity", "start", "end").rows()
    return [(code, severity, text[start:end]) for code, severity, start, end in found]


# ── what is found ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("kind", "form", "value"), VALUES, ids=[f"{at}-{each[0]}" for at, each in enumerate(VALUES)])
@pytest.mark.parametrize("around", ["{}", "Use it like this:\n\n{}\n", "é🙂 ({}).", "say `{}`, then go"])
def test_a_secret_is_found_where_it_stands(kind: SecretKind, form: str, value: str, around: str) -> None:
    text = around.format(form.format(value))
    assert seen(text) == [(kind, None, value)]


def test_every_kind_has_a_test_of_its_own() -> None:
    assert {kind for kind, _, _ in VALUES} | {"private_key"} == set(KINDS)
    assert all(secret.meaning.endswith(".") for secret in KINDS.values())


@pytest.mark.parametrize(
    "label", ["RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]
)
@pytest.mark.parametrize("line", ["\n", r"\n", r"\\n"])
def test_a_private_key_is_found_by_its_body(label: str, line: str) -> None:
    (kind, severity, value), *others = seen(f'Save this: "{pem(label, line)}" as key.pem')
    assert (kind, severity, others) == ("private_key", None, [])
    assert drawn(ALPHANUMERIC + "+/", 64, 0) in value
    assert drawn(ALPHANUMERIC + "+/", 64, 5) in value


def test_a_private_key_that_is_cut_off_is_found_and_a_first_line_alone_is_not() -> None:
    assert [code for code, _, _ in seen(pem()[:200])] == ["private_key"]
    assert seen("A key begins with -----BEGIN RSA PRIVATE KEY----- and ends with its END.") == []
    assert seen("-----BEGIN PRIVATE KEY-----\n" + "MIIEvQ...\n" * 8)[0][1] == "info"


def test_it_is_found_in_every_part_of_an_example() -> None:
    value = "AKIA" + drawn(UPPER + "234567", 16)
    call = json.dumps([{"function": {"name": "f", "arguments": {"key": value}}}])
    turn = {"role": "assistant", "content": None, "name": None, "tool_calls": call, "tool_call_id": None}
    said = turn | {"content": value, "tool_calls": None}
    row = {
        "id": "x", "file": "a.jsonl", "row": 1, "kind": "preference", "messages": [turn], "chosen": [said],
        "rejected": [said], "tools": json.dumps([value]), "meta": json.dumps({"note": {"by": [value]}}),
    }  # fmt: skip
    both = Frames(pl.DataFrame([row], schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    findings = secrets.run(both, SecretsParams(**LIMITS), CONTEXT).findings
    fields = {"messages[0].tool_calls", "chosen[0].content", "rejected[0].content", "tools", "meta.note.by[0]"}
    assert set(findings["field"]) == fields
    assert findings.schema == FOUND


def test_an_account_is_no_key() -> None:
    key, account = "SK" + drawn(HEXADECIMAL, 32), "AC" + drawn(HEXADECIMAL, 32)
    assert seen(f"{account}:{key}") == [("twilio_key", None, key)]


def test_places_do_not_depend_on_how_many_examples_are_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["Nothing.", "AKIA" + drawn(UPPER + "234567", 16), "Nothing.", "ghp_" + drawn(ALPHANUMERIC, 36)]
    whole = measure(*texts).findings
    assert whole["row"].to_list() == [2, 4]
    monkeypatch.setattr("gate.checks.secrets._ROWS", 1)
    assert measure(*texts).findings.equals(whole)


def test_the_most_telling_kind_is_reported_once() -> None:
    openai = "sk-proj-" + drawn(ALPHANUMERIC, 48)
    assert [code for code, _, _ in seen(f'OPENAI_API_KEY="{openai}"')] == ["openai_key"]
    both = f'{url("postgres", "t7Kq-vR2mZx9")} and api_key="{drawn(ALPHANUMERIC, 32)}"'
    assert [code for code, _, _ in seen(both)] == ["connection_string", "generic_secret"]


# ── what opens nothing ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "sk-" + "x" * 48,
        "ghp_" + "a" * 36,
        "AIza" + "0123456789" * 3 + "01234",
        "https://user:password@harbour-lights.co.uk/",
        "https://ann:" + "t7Kq-vR2mZx9@example.com/",
        "postgres://user:pass@localhost:5432/db",
        'password = "my_password"',
        'password: "password123"',
        'PASSWORD="changeme"',
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2"
        "MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    ],
)  # fmt: skip
def test_placeholders_and_published_examples_only_count(text: str) -> None:
    assert [severity for _, severity, _ in seen(text)] == ["info"]
    assert [severity for _, severity, _ in seen(text, documentation="count")] == [None]


@pytest.mark.parametrize(
    "text",
    [
        'api_key = "YOUR_API_KEY"',
        'api_key = os.environ["API_KEY"]',
        "token = tokenizer(text, return_tensors='pt')",
        "The secret: 'persistence-and-hard-work'",
        'key="main_navigation_item_2"',
        "SECRET=production",
        "risk-assessment-and-management-systems",
        "ask-me-anything-about-fine-tuning-models-2024",
        "https://example.org/path@2x.png and ftp://host:21/file@v1",
        "The ratio is 3:4@5 in total://",
        "AKIA is the prefix of an access key id",
        "base64: " + "A1b2" * 12 + "AKIA" + drawn(UPPER + "234567", 16) + "C3d4" * 12,
        "account AC" + drawn(HEXADECIMAL, 32),
        "password: correct horse battery staple",
        "commit 8d3f6a025b1c4e97a0d46c29e1f7b8538d3f6a02",
        "eyJ is how many tokens start. eyJust.kidding.here",
        "What is 2 + 2? It is 4.",
    ],
)
def test_ordinary_text_is_no_secret(text: str) -> None:
    assert [each for each in seen(text) if each[1] is None] == []


# ── what a rule can say ────────────────────────────────────────────────────────────────────────────────────────


def test_kinds_can_be_left_out_or_only_counted() -> None:
    text = f"ghp_{drawn(ALPHANUMERIC, 36)} AKIA{drawn(UPPER, 16)}"
    assert [code for code, _, _ in seen(text, ignore=["github_token"])] == ["aws_access_key"]
    severities = {code: severity for code, severity, _ in seen(text, info=["github_token"])}
    assert severities == {"github_token": "info", "aws_access_key": None}
    with pytest.raises(ValidationError, match="github_token"):
        SecretsParams(**LIMITS, ignore=("githb_token",))


def test_values_and_forms_can_be_allowed() -> None:
    value = "AKIA" + drawn(UPPER, 16)
    assert seen(value, allow=[value]) == []
    assert seen(value, allow_patterns={"*": ["AKIA[A-Z]+"]}) == []
    assert seen(value, allow_patterns={"jwt": ["AKIA[A-Z]+"]}) != []
    assert seen(value, allow_patterns={"*": ["AKIA"]}) != [], "from its first to its last character"
    with pytest.raises(ValidationError, match="linear time"):
        SecretsParams(**LIMITS, allow_patterns={"*": ("(?=a)",)})
    with pytest.raises(ValidationError, match="not a kind of secret: nonsense"):
        SecretsParams(**LIMITS, allow_patterns={"nonsense": ("a",)})


def test_how_random_a_value_has_to_look_is_the_rules_to_say() -> None:
    text = f'api_key = "{drawn(HEXADECIMAL, 32)}"'
    assert seen(text, hexadecimal_entropy=4.0) == []
    assert seen("ghp_" + "ab1" * 12, entropy=1.0)[0][1] is None
    assert seen("ghp_" + "ab1" * 12)[0][1] == "info"


def test_no_rows_are_nothing_examined() -> None:
    measured = measure()
    assert (measured.examined, measured.findings.height, measured.skipped is None) == (0, 0, False)


# ── what is shown ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("kind", "form", "value"), VALUES, ids=[f"{at}-{each[0]}" for at, each in enumerate(VALUES)])
def test_no_secret_is_shown_by_a_finding_or_an_excerpt(kind: SecretKind, form: str, value: str) -> None:
    text = f"Use it like this: {form.format(value)} and go."
    shown = str(measure(text).findings.to_dicts()) + mask_text(text)
    assert value not in shown
    parts = [part for part in re.split(r"[^A-Za-z0-9]", value) if len(part) > 8 and part not in ("services",)]
    assert not any(part in shown for part in parts), shown


def test_a_private_key_is_not_shown_at_length() -> None:
    assert all(len(each) <= 80 for each in measure(pem()).findings["evidence"])


# ── hard to break ──────────────────────────────────────────────────────────────────────────────────────────────


@given(st.text(st.characters() | st.sampled_from("sk-_=:/@\"'.AaZz019 \n")))
@settings(max_examples=200, deadline=None)
def test_any_text_is_looked_at_and_places_lie_inside_it(text: str) -> None:
    limits = Limits(3.0, 3.5, 3.0)
    for hit in hits(text, list(KINDS), limits):
        assert 0 <= hit.start < hit.end <= len(text)


@pytest.mark.parametrize(
    "unit",
    ["-----BEGIN PRIVATE KEY-----", "eyJhbGciOiJ.", "eyJ", "://a:b", "sk-", "api_key=", "password='", "aws key secret ",
     "Server=a;", "PuTTY-User-Key-File-2: ", "xoxb-1-", "_authToken=", "glagent-", "A1", "Private-Lines: 1 ", "key_"],
)  # fmt: skip
def test_hostile_text_takes_no_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    begun = time.perf_counter()
    measure(text)
    assert time.perf_counter() - begun < 5


# ── real data ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_real_datasets_hold_placeholders_and_made_up_passwords_only(shared_data: Path) -> None:
    dataset = read([shared_data])
    params = SecretsParams(**LIMITS, info=("generic_password",))
    measured = secrets.run(Frames(dataset.examples, dataset.malformed), params, CONTEXT)
    assert measured.examined >= 11_000
    assert measured.figures["candidates"] < 100
    assert set(measured.findings["severity"]) == {"info"}
