"""The statements of a store: saying something new, and finding what was said."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gate.errors import UsageError
from gate.provenance.envelope import LARGEST, Signer, opened, sign
from gate.provenance.statements import About, ModelRef, Ref, Statement, drafted, now, read
from gate.store.files import opened as plain_file
from gate.store.objects import Damaged, Store


class Ledger:
    """Statements of a store, in the order of time. What is read here is well formed; whether its signature is right
    and its author trusted is for `gate.provenance.trust` to say."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def say(self, about: About, signer: Signer, *, made: str | None = None, parents: Iterable[str] = ()) -> Statement:
        """Sign a statement and keep it. It is never older than what it rests on, nor than its author's last one.

        Args:
            parents: statements that it rests on, beside those that it names itself.

        Raises:
            StoreError: there is no room or no permission.
            UsageError: it would be older, because a clock is wrong.
            Damaged: something that it rests on is not there.
        """
        made, previous, parents = made or now(), self.head(signer.keyid), tuple(parents)
        for digest in (*about.parents(), *parents, *([previous] if previous else [])):
            if (before := self.statement(digest)).made > made:
                raise UsageError(
                    f"the {before.kind} before this was made at {before.made}, and here it is {made}",
                    where=self.store.name(self.store.statement_path(digest)),
                    remedy="one of the two clocks is wrong: set this machine's, or wait until that time",
                )
        draft = drafted(
            about,
            author=signer.name,
            keyid=signer.keyid,
            previous=previous,
            made=made,
            extra_parents=parents,
        )
        content = sign(draft, signer)
        digest = self.store.put_statement(content)
        return read(opened(content, digest), digest)

    def statement(self, digest: str) -> Statement:
        """One statement.

        Raises:
            Damaged: it is not there, or is no statement of gate's.
        """
        name = self.store.name(self.store.statement_path(digest))
        return read(opened(self.store.statement(digest), name), name)

    def all(self) -> list[Statement]:
        """Every statement, the oldest first.

        Raises:
            Damaged: a file among them is none.
        """
        return sorted(map(self.statement, self.store.statements()), key=lambda one: (one.made, one.digest))

    def head(self, keyid: str) -> str | None:
        """The author's last statement. Where two were made at once there are two ends; the younger one counts."""
        own = [one for one in self.all() if one.keyid == keyid]
        return own[-1].digest if own else None

    def refer(self, name: str, snapshot: str, statement: str, signer: Signer) -> Statement:
        """Let a name stand for a snapshot from now on: the next number that nobody else takes first.

        Raises:
            UsageError: not a name, or one that stands for models.
            StoreError: there is no room or no permission.
        """
        return self._refer(lambda number: Ref(name=name, number=number, snapshot=snapshot, statement=statement), signer)

    def refer_model(self, name: str, model: str, statement: str, signer: Signer, why: str = "") -> Statement:
        """Let a name (the champion's) stand for a model from now on.

        Args:
            statement: the promotion that it rests on.
            why: of a rollback.

        Raises:
            UsageError: not a name, one that stands for datasets, or a clock is wrong.
            StoreError: there is no room or no permission.
        """
        return self._refer(
            lambda number: ModelRef(name=name, number=number, model=model, statement=statement, why=why), signer
        )

    def _refer(self, about: Callable[[int], Ref | ModelRef], signer: Signer) -> Statement:
        first = about(1)
        numbers = self.store.refs().get(first.name, [])
        if numbers and type(self.ref(first.name).about) is not type(first):
            raise UsageError(
                f"the name {first.name} stands for {'a dataset' if isinstance(first, ModelRef) else 'models'} already",
                where=f"refs/{first.name}",
                remedy="choose another name",
            )
        number, made = max(numbers, default=0) + 1, now()
        if isinstance(first, ModelRef):
            for parent in first.parents():
                if (before := self.statement(parent)).made > made:
                    raise UsageError(
                        f"the {before.kind} before this was made at {before.made}, and here it is {made}",
                        where=self.store.name(self.store.statement_path(parent)),
                        remedy="one of the two clocks is wrong: set this machine's, or wait until that time",
                    )
        while True:
            said = about(number)
            draft = drafted(said, author=signer.name, keyid=signer.keyid, previous=None, made=made)
            content = sign(draft, signer)
            if self.store.put_ref(said.name, number, content):
                return read(opened(content, said.name), said.name)
            number += 1

    def ref(self, name: str, number: int | None = None) -> Statement:
        """What a name stands for (`about` is a `Ref` or a `ModelRef`): now, or at a number.

        Raises:
            UsageError: not a name.
            Damaged: no such ref, or not a ref of that name and number.
        """
        numbers = self.store.refs().get(name, [])
        path = self.store.ref_path(name, number or max(numbers, default=1))
        try:
            with plain_file(path) as file:
                found = read(opened(file.read(LARGEST + 1), self.store.name(path)), self.store.name(path))
        except FileNotFoundError:
            raise Damaged(
                "there is no such ref", where=self.store.name(path), remedy="`gate snapshots ls` lists the names"
            ) from None
        except OSError as error:
            raise Damaged(f"it cannot be read ({error.strerror})", where=self.store.name(path)) from None
        if not isinstance(found.about, Ref | ModelRef) or (found.about.name, f"{found.about.number:06}") != (
            name,
            path.stem,
        ):
            raise Damaged("it is not the ref that its name says", where=self.store.name(path))
        return found
