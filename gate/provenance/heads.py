"""Whether a store's statements are all there and in order: each names its author's statement before it.

Taking a statement out of the middle breaks the chain of its author. Taking the last one out (a revocation, say) leaves
a chain that is whole, which only somebody notices who has seen the end of it: `head` is the digest that they kept.
"""

from __future__ import annotations

from gate.provenance.ledger import Ledger
from gate.provenance.statements import Statement
from gate.store.objects import Damaged


def check_chain(ledger: Ledger, head: str | None = None) -> list[str]:
    """What is broken in the order of a store's statements.

    Args:
        head: the digest of a statement that has to be there: one that somebody saw and wrote down.

    Returns:
        sentences, each with the digests that it is about; empty where nothing is broken. Signatures are not looked at
        (`gate.provenance.trust`).
    """
    broken, there = [], {}
    for digest in ledger.store.statements():
        try:
            there[digest] = ledger.statement(digest)
        except Damaged as error:
            broken.append(f"{error.where}: {error.what}")
    damaged = set(ledger.store.statements()) - there.keys()
    for digest, each in there.items():
        name = f"{each.kind} {digest[:12]} by {each.author}"
        for parent in dict.fromkeys((*each.parents, *([each.previous] if each.previous else []))):
            link = "the statement before it" if parent == each.previous else "the statement that it rests on"
            if parent not in there:
                state = "is damaged" if parent in damaged else "is not there"
                broken.append(f"{name}: {link}, {parent}, {state}")
            elif there[parent].made > each.made:
                broken.append(f"{name}, of {each.made}: {link}, {parent}, is younger ({there[parent].made})")
            elif parent == each.previous and there[parent].keyid != each.keyid:
                broken.append(f"{name}: {link}, {parent}, is by another key, that of {there[parent].author}")
    broken += [*_refs(ledger, there)]
    if head is not None and head not in there:
        state = "is damaged" if head in damaged else "is not there: it was removed, or this is another store"
        broken.append(f"the pinned head {head} {state}")
    return broken


def _refs(ledger: Ledger, there: dict[str, Statement]) -> list[str]:
    """What is broken between refs and the statements that they rest on."""
    broken = []
    for name, numbers in ledger.store.refs().items():
        for number in numbers:
            try:
                ref = ledger.ref(name, number)
            except Damaged as error:
                broken.append(f"{error.where}: {error.what}")
                continue
            for parent in ref.parents:
                if parent not in there:
                    broken.append(f"ref {name} {number}: the statement that it rests on, {parent}, is not there")
                elif there[parent].made > ref.made:
                    broken.append(f"ref {name} {number}, of {ref.made}: {parent}, on which it rests, is younger")
    return broken
