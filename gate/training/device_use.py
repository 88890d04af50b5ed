"""How much of a device a run uses: memory at its peak, and its share of time at work."""

from __future__ import annotations

import os
import time


class Clock:
    """Time since training began, and how much of it the device was at work since the last look."""

    def __init__(self) -> None:
        self.begun = self._wall = time.monotonic()
        self._cpu = time.process_time()

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self.begun

    def used(self) -> tuple[float, float | None]:
        """Seconds since the last look, and the device's share of them at work, 0 to 1 (None where nobody can say).

        A GPU tells its own (NVML, over its last sampling period); on a CPU it is the processor time of this process
        over that of the threads that it may use.
        """
        now, cpu = time.monotonic(), time.process_time()
        wall, spent = now - self._wall, cpu - self._cpu
        self._wall, self._cpu = now, cpu
        return wall, _of_gpu() if _on_gpu() else _share(spent, wall)


def memory_peak() -> int:
    """Bytes: of the GPU that tensors took at most; on a CPU of the whole process, libraries and all."""
    if _on_gpu():
        import torch

        return int(torch.cuda.max_memory_allocated())
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def _on_gpu() -> bool:
    import torch

    from gate.training.arguments import on_cpu

    return bool(torch.cuda.is_available()) and not on_cpu()


def _of_gpu() -> float | None:
    import torch

    try:
        return float(torch.cuda.utilization()) / 100
    except (ModuleNotFoundError, RuntimeError):  # needs NVIDIA's library, which not every installation has
        return None


def _share(spent: float, wall: float) -> float | None:
    import torch

    if wall <= 0:
        return None
    threads = min(int(torch.get_num_threads()), os.cpu_count() or 1)
    return min(spent / wall / threads, 1.0)
