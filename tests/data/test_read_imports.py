"""Reading text formats stays light: no pandas, no Parquet reader, nothing that a first verdict would wait for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_reading_imports_no_pandas(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"messages": [{"role": "user", "content": "a"}]}\n')
    code = (
        "import sys; from gate.data.read import read; read(sys.argv[1:]); "
        "sys.exit(str({'pandas', 'pyarrow.parquet', 'zstandard'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
