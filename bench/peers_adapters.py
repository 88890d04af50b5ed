"""One near-duplicate remover, run in its own environment: `python bench/peers_adapters.py NAME TEXTS OUT`.

Each contender reads the JSON Lines of texts and ends with the numbers of the rows that it would remove. All are given
the same words (`\\w+` of the lower-cased text), shingles of five words and, where they have bands, 25 of 5 rows, which
miss a pair at Jaccard 0.8 once in 20,000; each library does everything else its own way. Writes the seconds from
reading to the removed rows (imports apart) and those rows. Only the contender's own libraries are imported.
"""

# The imports are those of environments that mypy does not see.
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

if __name__ == "__main__":  # the repository instead of this folder, whose modules no library is to meet
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.duplicates import BAND_ROWS, BANDS, PERMUTATIONS, SHINGLE, THRESHOLD, WORD, read_sets, similar
from bench.duplicates import gate as gate_pairs

Removal = Callable[[], set[int]]
CORES = len(os.sched_getaffinity(0))


def gate(path: Path) -> Removal:
    """The shipped check behind the shipped reader."""
    run = gate_pairs(path)
    return lambda: {dropped for dropped, _ in run()}


def datasketch(path: Path) -> Removal:
    """Rows in order: one that the index holds a verified likeness of goes, any other enters the index."""
    from datasketch import MinHash, MinHashLSH

    def run() -> set[int]:
        sets = read_sets(path)
        index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, BAND_ROWS))
        removed = set()
        encoded = ([gram.encode() for gram in grams] for grams in sets)
        for row, signature in enumerate(MinHash.bulk(encoded, num_perm=PERMUTATIONS)):
            if any(similar(sets, row, other) for other in index.query(signature)):
                removed.add(row)
            else:
                index.insert(row, signature)
        return removed

    return run


def rensa(path: Path) -> Removal:
    """The same, with rensa's signatures and index."""
    from rensa import RMinHash, RMinHashLSH

    def run() -> set[int]:
        sets = read_sets(path)
        index = RMinHashLSH(THRESHOLD, BANDS * BAND_ROWS, BANDS)
        removed = set()
        for row, grams in enumerate(sets):
            signature = RMinHash(BANDS * BAND_ROWS, 42)
            signature.update(list(grams))
            if any(similar(sets, row, other) for other in index.query(signature)):
                removed.add(row)
            else:
                index.insert(row, signature)
        return removed

    return run


def set_similarity_search(path: Path) -> Removal:
    """All pairs, exactly; then rows in order."""
    from SetSimilaritySearch import all_pairs

    def run() -> set[int]:
        earlier: dict[int, list[int]] = {}
        for one, other, _ in all_pairs(read_sets(path), similarity_func_name="jaccard", similarity_threshold=THRESHOLD):
            earlier.setdefault(int(max(one, other)), []).append(int(min(one, other)))
        removed: set[int] = set()
        for row in sorted(earlier):
            if not removed.issuperset(earlier[row]):
                removed.add(row)
        return removed

    return run


def datatrove(path: Path, bands: int = BANDS, band_rows: int = BAND_ROWS) -> Removal:
    """Its local pipeline up to the list of rows to remove: signatures, buckets, clusters; one task per core."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.utils.logging import logger
    from datatrove.utils.text import TextNormConfig
    from datatrove.utils.word_tokenizers import WhitespaceTokenizer

    class Words(WhitespaceTokenizer):  # type: ignore[misc]  # of an environment that mypy does not see
        def word_tokenize(self, text: str) -> list[str]:
            return WORD.findall(text)

    logger.remove()
    as_it_is = TextNormConfig(
        norm_whitespace=False, remove_punctuation=False, norm_unicode_diacritics=False, norm_numbers=False
    )
    config = MinhashConfig(n_grams=SHINGLE, num_buckets=bands, hashes_per_bucket=band_rows, norm_config=as_it_is)

    def run() -> set[int]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            lines = path.read_bytes().splitlines(keepends=True)
            cuts = [len(lines) * at // CORES for at in range(CORES + 1)]
            for at in range(CORES):  # a task reads whole files
                (folder / "texts").mkdir(exist_ok=True)
                (folder / "texts" / f"{at:03d}.jsonl").write_bytes(b"".join(lines[cuts[at] : cuts[at + 1]]))
            of = {name: str(folder / name) for name in ("texts", "signatures", "buckets", "clusters")}
            stages = [
                (
                    [
                        JsonlReader(of["texts"]),
                        MinhashDedupSignature(of["signatures"], config=config, language=Words()),
                    ],
                    CORES,
                ),
                ([MinhashDedupBuckets(of["signatures"], of["buckets"], config=config)], bands),
                ([MinhashDedupCluster(of["buckets"], of["clusters"], config=config)], 1),
            ]
            for number, (steps, tasks) in enumerate(stages):
                logs = str(folder / f"logs-{number}")
                workers = min(tasks, CORES)
                LocalPipelineExecutor(steps, tasks, workers, logging_dir=logs, start_method="fork").run()
            removed: set[int] = set()
            for at in range(CORES):
                listed = folder / "clusters" / f"{at:06d}.remove"
                content = listed.read_bytes() if listed.is_file() else b""
                removed.update(
                    cuts[at] + int.from_bytes(content[i : i + 4], "little") for i in range(0, len(content), 4)
                )
        return removed

    return run


def datatrove_own(path: Path) -> Removal:
    """The same with the bands it comes with."""
    return datatrove(path, 14, 8)


def data_juicer(path: Path, bands: int | None = BANDS, band_rows: int | None = BAND_ROWS) -> Removal:
    """Its MinHash operator on a local dataset, one process per core.

    The operator's two halves are called as its `run` does, which then frees the models of a graphics card: for that
    it would install torch while the clock runs.
    """
    from data_juicer.utils.lazy_loader import LazyLoader

    def refuse(package_spec: str, *_: object) -> None:
        raise ImportError(f"data-juicer wants to install {package_spec} while it runs")

    LazyLoader._install_package = refuse  # before anything else of it is imported

    from data_juicer.core.data import NestedDataset
    from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator
    from datasets import Dataset, disable_progress_bars
    from loguru import logger

    logger.remove()
    disable_progress_bars()

    def run() -> set[int]:
        with path.open(encoding="utf-8") as lines:
            texts = [" ".join(WORD.findall(json.loads(line)["text"].lower())) for line in lines]
        operator = DocumentMinhashDeduplicator(
            window_size=SHINGLE,
            lowercase=False,
            num_permutations=PERMUTATIONS,
            jaccard_threshold=THRESHOLD,
            num_bands=bands,
            num_rows_per_band=band_rows,
        )
        rows = NestedDataset(Dataset.from_dict({"text": texts, "row": list(range(len(texts)))}))
        kept, _ = operator.process(rows.map(operator.compute_hash, num_proc=CORES))
        return set(range(len(texts))).difference(kept["row"])

    return run


def data_juicer_own(path: Path) -> Removal:
    """The same with the bands that it works out for this threshold."""
    return data_juicer(path, None, None)


ADAPTERS: dict[str, tuple[str, str, Callable[[Path], Removal]]] = {
    "gate": ("", "llm-gate", gate),
    "datasketch": ("datasketch", "datasketch", datasketch),
    "rensa": ("rensa", "rensa", rensa),
    "SetSimilaritySearch": ("SetSimilaritySearch", "SetSimilaritySearch", set_similarity_search),
    "datatrove": ("datatrove", "datatrove", datatrove),
    "datatrove, its own bands": ("datatrove", "datatrove", datatrove_own),
    "data-juicer": ("data-juicer", "py-data-juicer", data_juicer),
    "data-juicer, its own bands": ("data-juicer", "py-data-juicer", data_juicer_own),
}
"""Environment ("" is the one that runs this), distribution, and what is run."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=list(ADAPTERS))
    parser.add_argument("texts", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    _, distribution, adapter = ADAPTERS[arguments.name]
    run = adapter(arguments.texts)
    begun = time.perf_counter()
    removed = run()
    seconds = time.perf_counter() - begun
    told = {"seconds": seconds, "removed": sorted(removed), "version": version(distribution)}
    arguments.out.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
