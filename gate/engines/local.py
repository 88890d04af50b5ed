"""Runs work on this machine: one process per lane, which keeps what it has imported.

Worker processes start afresh (nothing is forked, and the caller's main module is not imported again), so
`gate.check` works from a script, a notebook or a thread without a guard.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Lock, RLock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from loky.process_executor import ProcessPoolExecutor

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE = 0.5
"""Seconds that an executor whose workers are dead may take to notice."""

_LOOK_UP = 0.2
"""Seconds for which nobody who waits is deaf to Ctrl-C."""

_WIDE = ""
"""The lane of several processes, which no check can name."""


def cores() -> int:
    """The cores this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(parent: int) -> None:
    """A worker leaves Ctrl-C to its parent, which ends it, or each would print a traceback of its own; and the
    libraries in it draw no progress bars."""
    from loky import process_executor

    # loky restarts a worker that has grown by 300 MB, which any worker does that imports what ours import; with no
    # psutil at hand it never does.
    process_executor._USE_PSUTIL = False
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TQDM_DISABLE"] = "1"
    from tqdm import tqdm

    # tqdm's own lock is a system-wide semaphore, which a worker that is ended would leave behind.
    tqdm.set_lock(RLock())
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _begin_with(
    parent: int, initializer: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    _begin(parent)
    initializer(*args, **kwargs)


def _end_with(parent: int) -> None:
    """End this worker soon after its parent has gone without a word (killed, out of memory)."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def as_they_end(futures: Collection[Future[T]]) -> Iterator[Future[T]]:
    """Futures in the order in which they end.

    It looks up from waiting a few times a second: a signal that another thread received would not wake it (Python
    handles Ctrl-C in the main thread only).
    """
    left = set(futures)
    while left:
        done, left = wait(left, timeout=_LOOK_UP, return_when=FIRST_COMPLETED)
        yield from done


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _end(executor: ProcessPoolExecutor) -> None:
    for process in list((executor._processes or {}).values()):
        _kill(process.pid)  # at once: the executor's own thread may be busy handing out work
    # A thread, since what is left to do must not keep anybody waiting who pressed Ctrl-C.
    ending = Thread(target=executor.shutdown, kwargs={"wait": True, "kill_workers": True}, daemon=True)
    ending.start()
    ending.join(_PATIENCE)


PATIENCE = 10.0
"""Seconds that an engine that is closed waits for one who is starting a worker, which takes less than one."""


class LocalEngine:
    """Lanes of worker processes, started when first used and ended with the engine.

    Use it as a context manager; leaving it kills the workers.
    """

    def __init__(self) -> None:
        self.cores = cores()
        self._closed = False
        self._lanes: dict[str, ProcessPoolExecutor] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._lock = Lock()

    def submit(self, lane: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a module-level function in a lane's process.

        Returns:
            its future; a worker that died raises `loky.process_executor.TerminatedWorkerError` there.
        """
        return self._lane(lane).submit(function, *args, **kwargs)  # type: ignore[no-any-return]

    def _lane(self, lane: str) -> ProcessPoolExecutor:
        from loky.process_executor import ProcessPoolExecutor

        with self._lock:
            if self._closed:
                raise RuntimeError("the engine is closed")
            if lane not in self._lanes:
                self._lanes[lane] = ProcessPoolExecutor(max_workers=1, initializer=_begin, initargs=(os.getpid(),))
            return self._lanes[lane]

    def beside(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a function in a thread of this process, one such after the other: it mostly waits for workers."""
        with self._lock:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1)
            return self._thread.submit(function, *args, **kwargs)

    def widen(self, processes: int, initializer: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Make ready for `spread`: so many processes, each of which begins with a function of its own."""
        from loky.process_executor import ProcessPoolExecutor

        begin = (os.getpid(), initializer, args, kwargs)
        with self._lock:
            self._lanes[_WIDE] = ProcessPoolExecutor(max_workers=processes, initializer=_begin_with, initargs=begin)

    def spread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a module-level function in whichever process is free next."""
        with self._lock:
            executor = self._lanes[_WIDE]
        return executor.submit(function, *args, **kwargs)  # type: ignore[no-any-return]

    def narrow(self) -> None:
        """End the processes of `spread`, which have nothing left to do: each holds half a gigabyte."""
        with self._lock:
            executor = self._lanes.pop(_WIDE, None)
        if executor is not None:
            _end(executor)

    def close(self) -> None:
        """End every worker, whatever it is doing."""
        # A Ctrl-C in the midst of an import may leave Python's import lock taken for good, and with it whoever is just
        # starting a worker. What it may still start ends with this process.
        held = self._lock.acquire(timeout=PATIENCE)
        try:
            lanes, self._lanes, self._closed = self._lanes, {}, True
            if self._thread is not None:
                self._thread.shutdown(wait=False, cancel_futures=True)
        finally:
            if held:
                self._lock.release()
        for executor in lanes.values():
            _end(executor)

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
