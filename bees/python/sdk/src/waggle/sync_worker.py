"""Runs the calls of a plain function."""

from __future__ import annotations

import queue
from typing import Any, Coroutine, List, Optional

from .calls import Calls
from .job import Job


class SyncWorker:
    """Runs the calls of a plain function in the main thread, one after the other.

    `take`, `cancel` and `finish` may be called from any thread, and `stop` from a signal handler.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._queue: "queue.SimpleQueue[Optional[Job]]" = queue.SimpleQueue()
        self._is_stopped = False

    def take(self, job: Job) -> None:
        self._calls.open(job)
        self._queue.put(job)

    def cancel(self, id: int) -> None:
        self._calls.cancel(id)

    def finish(self) -> None:
        """Lets `run` return when all accepted jobs have their results."""
        self._queue.put(None)

    def stop(self) -> None:
        """Lets `run` return after the current call. The waiting jobs get no result, so Waggle gives them to another process."""
        self._is_stopped = True
        self._queue.put(None)

    def run(self) -> None:
        batch: List[Job] = []
        while True:
            job = self._queue.get()
            if self._is_stopped:
                return
            if job is not None:
                batch.append(job)
                if job.more and self._calls.bee.batch:
                    continue
            if batch:
                _run_through(self._calls.compute(batch))
                batch = []
            if job is None:
                return


def _run_through(coroutine: "Coroutine[Any, Any, None]") -> None:
    """Runs a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("a plain function suspended")
