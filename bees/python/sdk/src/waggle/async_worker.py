"""Runs the calls of a coroutine."""

from __future__ import annotations

import asyncio
from typing import Dict, List, Set

from .calls import Calls
from .job import Job


class AsyncWorker:
    """Runs each call of a coroutine as a task of one event loop. Many calls run concurrently.

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
        """Lets `run` return when all accepted jobs have their results."""
        self._loop.call_soon_threadsafe(self._finish)

    def stop(self) -> None:
        """Does the same as `finish`, because all jobs are already running."""
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
        """Cancels the task of one request. The task of a batch continues, because other requests wait for it."""
        task = self._task_of.get(id)
        if task is not None and not self._calls.bee.batch:
            task.cancel()
