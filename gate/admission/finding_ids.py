"""The id of a finding: the same problem has the same id in another run, another file and another place in it.

What a person waives or a machine counts is named by it: a finding that came later has another id.
"""

from __future__ import annotations

import polars as pl


def finding_ids(findings: pl.DataFrame) -> pl.Series:
    """The id (SHA-256, 64 hex digits) of each finding.

    About an example it follows from rule, code, content id, field, span and partner. About a row that could not be
    read, a file or the dataset as a whole, it follows from rule, code, file, row, field, group, message and score: one
    that is worse is another finding.

    Args:
        findings: schema gate.admission.result.FINDINGS.
    """
    raise NotImplementedError
