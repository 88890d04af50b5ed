"""A virtual environment of its own for each peer, made once with pip and kept in `out/bench-envs`.

Nothing of a peer ever enters the project's own environment. A peer that cannot be installed is a line in the table
that says why, never a number.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ENVIRONMENTS = Path(__file__).resolve().parents[1] / "out" / "bench-envs"
REQUIREMENTS = {
    "datasketch": ("datasketch==2.0.0",),
    "rensa": ("rensa==0.5.0",),
    "SetSimilaritySearch": ("SetSimilaritySearch==1.0.1",),
    # Its extras hold readers and tokenizers of many languages; these are what JSON Lines and MinHash need.
    "datatrove": ("datatrove==0.10.1", "orjson", "regex", "tokenizers", "xxhash<4"),
    # What it imports without saying so, and would otherwise install while it runs.
    "data-juicer": ("py-data-juicer==1.6.1", "aiohttp", "ray==2.60.0", "scipy"),
}
CONSTRAINTS = ("torch==2.13.0",)
"""Held where some peer drags it in."""


class NotInstalled(Exception):
    """Why a peer could not be installed, in one line without a path."""


def python_of(peer: str, folder: Path = ENVIRONMENTS) -> Path:
    """The interpreter of the peer's environment, which is made where it is missing or was made from other
    requirements.

    Raises:
        NotInstalled: pip, or the making of the environment, failed.
    """
    home = folder / peer
    python, made_of = home / "bin" / "python", home / "requirements.txt"
    wanted = "".join(f"{line}\n" for line in REQUIREMENTS[peer])
    if made_of.is_file() and made_of.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(f"{line}\n" for line in CONSTRAINTS), encoding="utf-8")
    _run([sys.executable, "-m", "venv", str(home)])
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*install, "--constraint", str(constraints), *REQUIREMENTS[peer]])
    made_of.write_text(wanted, encoding="utf-8")
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotInstalled(reason(done.stderr) or f"ended with {done.returncode}")


def reason(said: str) -> str:
    """The first line that tells of an error, else the last, without the paths and addresses of this machine."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    error = next((line for line in lines if re.match(r"(?i)error|\w*(Error|Exception)\b", line)), lines[-1:] or [""])
    line = error if isinstance(error, str) else error[0]
    return re.sub(r"(\w+:/)?/[\w.+~/-]+", "…", line).replace("|", "/")[:200]
