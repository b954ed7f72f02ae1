"""Where calls run: one after the other in the main thread, or as tasks of one event loop."""

from __future__ import annotations

import asyncio
import queue
from typing import Any, Coroutine, Dict, List, Optional, Set

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
        """Lets `run` return when all jobs that were taken have their results."""
        self._queue.put(None)

    def stop(self) -> None:
        """Lets `run` return after the call that runs now. The jobs behind it keep no result, so Waggle gives them to another process."""
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


class AsyncWorker:
    """Runs each call of a coroutine as a task of one event loop, many side by side.

    `take`, `cancel` and `finish` may be called from any thread, and `stop` from a signal handler.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._loop = asyncio.new_event_loop()
        self._end = self._loop.create_future()
        self._batch: List[Job] = []
        self._task_of: Dict[int, "asyncio.Task[None]"] = {}
        self._tasks: Set["asyncio.Task[None]"] = set()

    def take(self, job: Job) -> None:
        self._calls.open(job)
        self._loop.call_soon_threadsafe(self._add, job)

    def cancel(self, id: int) -> None:
        self._calls.cancel(id)
        self._loop.call_soon_threadsafe(self._cancel, id)

    def finish(self) -> None:
        """Lets `run` return when all jobs that were taken have their results."""
        self._loop.call_soon_threadsafe(self._finish)

    def stop(self) -> None:
        """The same as `finish`: all jobs run already."""
        self.finish()

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._until_finished())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _until_finished(self) -> None:
        await self._end
        self._start()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _finish(self) -> None:
        if not self._end.done():
            self._end.set_result(None)

    def _add(self, job: Job) -> None:
        self._batch.append(job)
        if not (job.more and self._calls.bee.batch):
            self._start()

    def _start(self) -> None:
        jobs, self._batch = self._batch, []
        if not jobs:
            return
        task = self._loop.create_task(self._calls.compute(jobs))
        self._tasks.add(task)
        for job in jobs:
            self._task_of[job.id] = task
        task.add_done_callback(lambda done: self._end_of(done, jobs))

    def _end_of(self, task: "asyncio.Task[None]", jobs: List[Job]) -> None:
        self._tasks.discard(task)
        for job in jobs:
            self._task_of.pop(job.id, None)
        self._calls.give_up(jobs)

    def _cancel(self, id: int) -> None:
        """Cancels the task of one request. A batch goes on, because others wait for it."""
        task = self._task_of.get(id)
        if task is not None and not self._calls.bee.batch:
            task.cancel()


def _run_through(coroutine: "Coroutine[Any, Any, None]") -> None:
    """Runs a coroutine that awaits nothing that takes time."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("a plain function suspended")
