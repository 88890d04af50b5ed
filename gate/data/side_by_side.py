"""Does the same to many things in a few threads: for work that releases the interpreter (Polars, NumPy, digests)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def side_by_side(function: Callable[[A], B], arguments: Iterable[A], threads: int) -> Iterator[B]:
    """As `map`, in so many threads; arguments are taken one more at a time than are worked on.

    Args:
        threads: one does without any.
    """
    if threads <= 1:
        yield from map(function, arguments)
        return
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[Future[B]] = deque()
        for argument in arguments:
            under_way.append(pool.submit(function, argument))
            if len(under_way) > threads:
                yield under_way.popleft().result()
        for future in under_way:
            yield future.result()
