"""A base that is named by its id on the hub: asked for once, pinned to a commit, only the files that are loaded."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gate.errors import InputError
from gate.training.base_files import check_base
from gate.training.hub import hub_id

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A hub with one model on this machine."""

    address: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def hub(tiny_base: Path, tmp_path: Path) -> Iterator[Hub]:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "on-the-hub"))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n", "utf-8")
    for name in ("pytorch_model.bin", "consolidated.safetensors", "model-q4.gguf", "picture.png"):
        (folder / name).write_bytes(b"not to be fetched")
    made = Hub("")

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            made.asked.append(self.path)
            place = self.path.split("?")[0].strip("/").split("/")
            if place[:4] == ["api", "models", "owner", "tiny"]:
                files = list(folder.iterdir())
                tree = [{"type": "file", "path": each.name, "size": each.stat().st_size, "oid": "0"} for each in files]
                names = [{"rfilename": each.name} for each in files]
                about = {"id": "owner/tiny", "sha": COMMIT, "siblings": names}
                self.answer(json.dumps(tree if "tree" in place else about).encode())
            elif place[:4] == ["owner", "tiny", "resolve", COMMIT]:
                self.answer((folder / place[4]).read_bytes())
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    made.address = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()


def check_in_a_process(name: str, hub: Hub, home: Path, offline: bool = False) -> subprocess.CompletedProcess[str]:
    """huggingface_hub reads where the hub is when it is imported."""
    code = (
        "import sys; from gate.training.base_files import check_base; print(check_base(sys.argv[1]).model_dump_json())"
    )
    own = {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "01"[offline]}
    own["TRANSFORMERS_OFFLINE"] = own["HF_HUB_OFFLINE"]  # another test in this process may have set it
    environment = {**os.environ, **own, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "127.0.0.1"}
    return subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True, env=environment)


def test_a_model_of_the_hub_is_pinned_and_only_what_is_loaded_is_fetched(
    hub: Hub, tiny_base: Path, tmp_path: Path
) -> None:
    done = check_in_a_process("owner/tiny", hub, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    used = json.loads(done.stdout)
    assert used["revision"] == COMMIT
    assert used["digest"] == check_base(str(tiny_base)).digest
    fetched = {path.rsplit("/", 1)[1] for path in hub.asked if "/resolve/" in path}
    assert fetched == {*used["files"], "README.md"}
    asked = len(hub.asked)
    again = check_in_a_process("owner/tiny", hub, tmp_path / "home", offline=True)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == used
    assert len(hub.asked) == asked, "offline, nobody is asked"


def test_a_model_that_the_hub_does_not_have(hub: Hub, tmp_path: Path) -> None:
    done = check_in_a_process("owner/other", hub, tmp_path)
    assert "no model of this name on the hub" in done.stderr


def test_a_hub_that_does_not_answer(tmp_path: Path) -> None:
    done = check_in_a_process("owner/tiny", Hub("http://127.0.0.1:9"), tmp_path)
    assert "the hub cannot be reached" in done.stderr


def test_offline_nobody_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="the hub is off"):
        check_base("nobody/has-this-model")


def test_what_may_be_an_id() -> None:
    assert hub_id("owner/model") == ("owner/model", None)
    assert hub_id("owner/model@refs/pr/1") == ("owner/model", "refs/pr/1")
    for name in ("model", "a/b/c", "../model", "owner/", "owner/mo del", "owner/model@", "/model", "owner/.."):
        assert hub_id(name) is None, name
