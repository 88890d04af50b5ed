"""The workflow that comments: what it may do, and its script against a stand-in for GitHub's API that records calls."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MARKER = "<!-- gate:data -->"
SHA = "a" * 40
PULLS = [{"number": 12, "head": {"sha": "b" * 40}}, {"number": 7, "head": {"sha": SHA}}]

# Stands in for the API of github.com, which no test can reach: answers two questions and writes down every call.
GH = """\
#!/usr/bin/env python3
import json, os, sys
folder = os.environ["GH_FOLDER"]
with open(f"{folder}/calls", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if "GET" in sys.argv:
    name = "pulls" if any(each.endswith("/pulls") for each in sys.argv) else "comments"
    print(open(f"{folder}/{name}").read())
else:
    body = next(each for each in sys.argv if each.startswith("body=@"))
    open(f"{folder}/posted", "w").write(open(body.removeprefix("body=@")).read())
"""


@pytest.fixture
def workflow(load_yaml: Callable[[str], Any]) -> Any:
    return load_yaml("examples/ci/github-comment.yml")


@pytest.fixture
def post(workflow: Any, runner: Any, tmp_path: Path) -> Callable[..., Any]:
    """Runs the script on a comment; gives back how it ended, the calls that change something, and what was posted."""

    def run(
        comment: str | Path | None, comments: list[dict[str, Any]] | None = None, pulls: Any = None, **about: str
    ) -> Any:
        folder = tmp_path / "api"
        folder.mkdir(exist_ok=True)
        (folder / "gh").write_text(GH)
        (folder / "gh").chmod(stat.S_IRWXU)
        (folder / "pulls").write_text(json.dumps(PULLS if pulls is None else pulls))
        (folder / "comments").write_text(json.dumps(comments or []))
        (folder / "calls").write_text("")
        (folder / "posted").unlink(missing_ok=True)
        kept = tmp_path / "temp" / "gate-comment" / "comment.md"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.unlink(missing_ok=True)
        if isinstance(comment, Path):
            kept.symlink_to(comment)
        elif comment is not None:
            kept.write_text(comment)
        event = {"head_sha": SHA, "head_branch": "topic", "head_repository": {"owner": {"login": "somebody"}}} | about
        contexts = {
            "github": {"token": "t", "repository": "team/data", "event": {"workflow_run": event}},
            "runner": {"temp": str(tmp_path / "temp")},
        }
        (step,) = (step for step in workflow["jobs"]["comment"]["steps"] if "run" in step)
        path = f"{folder}:{runner.environment()['PATH']}"
        ran = runner.run(step, contexts, PATH=path, GH_FOLDER=str(folder))
        calls = [json.loads(line) for line in (folder / "calls").read_text().splitlines()]
        changing = [call for call in calls if "GET" not in call]
        posted = (folder / "posted").read_text() if (folder / "posted").exists() else None
        return ran, changing, posted

    return run


def of_bot(body: str, number: int = 99) -> dict[str, Any]:
    return {"id": number, "user": {"login": "github-actions[bot]"}, "body": body}


def test_the_first_comment_is_posted_on_the_pull_request_of_that_commit(post: Any) -> None:
    ran, calls, posted = post(f"{MARKER}\nhello\n")
    assert ran.code == 0, ran.log
    assert [call[2:4] for call in calls] == [["POST", "repos/team/data/issues/7/comments"]]
    assert posted == f"{MARKER}\nhello\n"


def test_the_next_one_edits_it(post: Any) -> None:
    others = [{"id": 1, "user": {"login": "mallory"}, "body": f"{MARKER}\nmine"}, of_bot("something else", 2)]
    _, calls, _ = post(f"{MARKER}\nhello again\n", [*others, of_bot(f"{MARKER}\nhello\n")])
    assert [call[2:4] for call in calls] == [["PATCH", "repos/team/data/issues/comments/99"]]


def test_an_empty_one_clears_what_was_said_and_says_nothing_new(post: Any) -> None:
    _, calls, _ = post("")
    assert calls == []
    _, calls, posted = post("", [of_bot(f"{MARKER}\nhello\n")])
    assert [call[2] for call in calls] == ["PATCH"]
    assert posted.startswith(f"{MARKER}\n### gate: pass\n")


def test_no_comment_at_all_is_no_failure(post: Any) -> None:
    ran, calls, _ = post(None)
    assert (ran.code, calls) == (0, [])


@pytest.mark.parametrize(
    "comment",
    [f"{MARKER}\n" + "x" * 60_000, "hello\n", f"hello\n{MARKER}\n", "<!-- gate:other -->\n", f"{MARKER} x\n", "\n"],
)
def test_what_gate_cannot_have_made_is_refused(post: Any, comment: str) -> None:
    ran, calls, _ = post(comment)
    assert (ran.code, calls) == (1, [])


def test_a_comment_that_is_a_link_is_not_followed(post: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{MARKER}\na secret of the runner\n")
    ran, calls, _ = post(secret)
    assert (ran.code, calls) == (0, [])


def test_a_commit_that_is_no_head_any_more_gets_no_comment(post: Any) -> None:
    ran, calls, _ = post(f"{MARKER}\nhello\n", pulls=PULLS[:1])
    assert (ran.code, calls) == (0, [])


def test_a_branch_with_a_hostile_name_is_an_argument_and_nothing_else(post: Any, runner: Any) -> None:
    ran, calls, _ = post(f"{MARKER}\nhello\n", head_branch='"; touch owned; $(touch owned) @/etc/passwd')
    assert ran.code == 0, ran.log
    assert len(calls) == 1
    assert not list(runner.repository.path.rglob("owned"))


def test_it_has_no_more_rights_than_it_needs_and_runs_nothing_of_the_pull_request(workflow: Any) -> None:
    text = (Path(__file__).parents[2] / "examples" / "ci" / "github-comment.yml").read_text()
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["comment"]["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert set(workflow["on"]) == {"workflow_run"}
    assert "checkout" not in text.split("jobs:")[1]


def test_the_workflow_that_judges_may_only_read(load_yaml: Callable[[str], Any]) -> None:
    workflow = load_yaml("examples/ci/github-pull-request.yml")
    assert set(workflow["on"]) == {"pull_request"}
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job
    checkout = job["steps"][0]
    assert checkout["uses"].startswith("actions/checkout@")
    assert checkout["with"] == {"fetch-depth": 0, "persist-credentials": False}
    assert "run" not in str(job["steps"]).replace("runs-on", "")


def test_the_two_workflows_fit_together(load_yaml: Callable[[str], Any], workflow: Any) -> None:
    judging = load_yaml("examples/ci/github-pull-request.yml")
    assert workflow["on"]["workflow_run"]["workflows"] == [judging["name"]]
    action = load_yaml("action.yml")
    (job,) = judging["jobs"].values()
    (use,) = (step for step in job["steps"] if "gate@" in step["uses"])
    assert set(use["with"]) <= set(action["inputs"])
    uploads = [step["with"] for step in job["steps"] if "upload-artifact" in step["uses"]]
    downloads = [step["with"]["name"] for step in workflow["jobs"]["comment"]["steps"] if "uses" in step]
    assert set(downloads) <= {upload["name"] for upload in uploads}
    assert all(upload["path"].startswith(action["inputs"]["output"]["default"]) for upload in uploads)
