"""The identifiers by which a dataset card may name its licence: SPDX ids that data and text come under, and the hub's
own, in lower case as the hub writes them."""

from __future__ import annotations

LICENSES = frozenset(
    """
    0bsd afl-3.0 agpl-3.0 agpl-3.0-only agpl-3.0-or-later apache-2.0 apple-amlr apple-ascl artistic-2.0
    bigcode-openrail-m bigscience-bloom-rail-1.0 bigscience-openrail-m blueoak-1.0.0 bsd bsd-2-clause bsd-3-clause
    bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-1.0 cc-by-nc-2.0
    cc-by-nc-2.5 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-2.0 cc-by-nc-nd-2.5 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0
    cc-by-nc-sa-1.0 cc-by-nc-sa-2.0 cc-by-nc-sa-2.5 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-2.0 cc-by-nd-2.5
    cc-by-nd-3.0 cc-by-nd-4.0 cc-by-sa-1.0 cc-by-sa-2.0 cc-by-sa-2.5 cc-by-sa-3.0 cc-by-sa-4.0 cc-pddc cc0-1.0
    cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license
    deepseek-license dl-de-by-2.0 dl-de-zero-2.0 ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2
    fair-noncommercial-research-license
    gemma gfdl gfdl-1.2 gfdl-1.3 gpl gpl-2.0 gpl-2.0-only gpl-2.0-or-later gpl-3.0 gpl-3.0-only gpl-3.0-or-later
    h-research intel-research isc lgpl lgpl-2.1 lgpl-2.1-only lgpl-2.1-or-later lgpl-3.0 lgpl-3.0-only
    lgpl-3.0-or-later lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 lppl-1.3c mit mpl-1.1 mpl-2.0 ms-pl
    ncsa nlod-2.0 odbl odbl-1.0 odc-by odc-by-1.0 ofl-1.1 ogl-uk-3.0 open-mdw openmdw-1.0 openrail openrail++ osl-3.0
    pddl pddl-1.0 postgresql python-2.0 unlicense upl-1.0 wtfpl zlib
    """.split()  # noqa: SIM905 - a list of words is easier to read and to mend than a list of strings
)

OTHER = "other"
"""The hub's id for a licence that is none of its own; the card names it under `license_name` or `license_link`."""

NOBODY_KNOWS = frozenset({"unknown", "none", "tbd", "todo"})
"""What says that there is no licence to rely on."""
