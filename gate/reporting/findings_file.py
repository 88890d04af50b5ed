"""`findings.parquet`: every finding as one row, with what judged the data in the file's own metadata.

The metadata keys are `gate.schema`, `gate.version`, `gate.verdict`, `gate.started`, `gate.policy.KIND` (the digest
of the policy that judged that kind), `gate.rows` and `gate.files` (JSON: path to SHA-256).
"""

from __future__ import annotations

import io
import json

from gate.admission.result import AdmissionResult
from gate.reporting.findings import masked_findings
from gate.reporting.inert import one_line

SCHEMA = "gate.findings/1"


def to_parquet(result: AdmissionResult) -> bytes:
    """The findings (schema `gate.admission.result.FINDINGS`) as Parquet with Zstandard."""
    metadata = {
        "gate.schema": SCHEMA,
        "gate.version": result.version,
        "gate.verdict": result.verdict,
        "gate.started": result.started,
        "gate.rows": str(sum(file.rows for file in result.dataset.files)),
        "gate.files": json.dumps({one_line(file.path): file.sha256 for file in result.dataset.files}),
        **{f"gate.policy.{kind}": policy.digest for kind, policy in result.policies.items()},
    }
    buffer = io.BytesIO()
    masked_findings(result.findings).write_parquet(buffer, compression="zstd", metadata=metadata)
    return buffer.getvalue()
