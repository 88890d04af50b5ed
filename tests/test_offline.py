"""The whole flow opens no connection: every Python process of it runs with sockets that record and refuse."""

from __future__ import annotations

import os
from pathlib import Path

FORBIDDING = """
import os, socket

_connect, _getaddrinfo = socket.socket.connect, socket.getaddrinfo

def _refuse(what):
    with open(os.environ["GATE_TEST_ATTEMPTS"], "a") as log:
        log.write(repr(what) + "\\n")
    raise OSError("sockets are forbidden in this test")

def connect(self, address):
    if self.family == getattr(socket, "AF_UNIX", None):
        return _connect(self, address)
    _refuse(address)

def connect_ex(self, address):
    connect(self, address)
    return 0

socket.socket.connect = connect
socket.socket.connect_ex = connect_ex
socket.getaddrinfo = lambda *args, **kwargs: _refuse(args)
"""


def test_a_check_with_every_output_opens_no_connection(gate, tmp_path: Path, write_jsonl) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(FORBIDDING)
    attempts = tmp_path / "attempts"
    rows = [
        {"question": f"Who is number {n}?", "answer": f"mail user{n}@corporate{n}.com about it."} for n in range(30)
    ]
    write_jsonl(tmp_path / "data.jsonl", rows)
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path / "site"),
        "GATE_TEST_ATTEMPTS": str(attempts),
        "HOME": str(tmp_path),
    }
    done = gate("check", "data.jsonl", "-o", "html", "-o", "parquet", "-o", "json=r.json", env=environment)
    assert done.returncode == 1, done.stderr
    assert "pii" in done.stderr
    assert not attempts.exists(), attempts.read_text()
    probe = gate("--version", env=environment | {"PYTHONSTARTUP": ""})
    assert probe.returncode == 0


def test_the_refusing_sockets_do_refuse(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "sitecustomize.py").write_text(FORBIDDING)
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "GATE_TEST_ATTEMPTS": str(tmp_path / "attempts")}
    script = "import socket; socket.create_connection(('127.0.0.1', 9))"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)
    assert done.returncode != 0
    assert (tmp_path / "attempts").exists()
