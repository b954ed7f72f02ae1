"""Calls of a bee: one call for each request, or one for each batch. The code is the same for plain functions and for coroutines."""

from __future__ import annotations

import inspect
import sys
from typing import Any, Dict, List, Sequence

from .batches import results_of, stacked
from .bee import Bee
from .bee_file import BeeFile
from .errors import BadResult, Cancelled, Refused
from .job import Job
from .log_lines import current_requests
from .swarm import Swarm, current_call
from .tracing import attached


class Calls:
    """The open requests of this process, and the calls that compute them."""

    def __init__(self, bee: Bee, file: BeeFile) -> None:
        self.bee = bee
        self._file = file
        self._swarm = Swarm()
        self._open: Dict[int, Job] = {}

    def open(self, job: Job) -> None:
        """Adds a job. From now on the job must get a result."""
        self._open[job.id] = job

    def cancel(self, id: int) -> None:
        """Marks an open job as cancelled, because nobody waits for its result."""
        job = self._open.get(id)
        if job is not None:
            job.context.cancel()

    def give_up(self, jobs: Sequence[Job]) -> None:
        """Ends the open jobs of the list without a result."""
        for job in jobs:
            if self._close(job):
                job.give_up()

    async def compute(self, jobs: Sequence[Job]) -> None:
        """Computes one batch, or one request. Suspends only if the bee is a coroutine."""
        self.give_up([job for job in jobs if job.context.cancelled])
        wanted = [job for job in jobs if self._open.get(job.id) is job]
        if self.bee.batch:
            await self._compute_batch(wanted)
        else:
            for job in wanted:
                await self._compute_one(job)

    async def _compute_one(self, job: Job) -> None:
        try:
            returned = await self._call([job], job.payload(), job.context)
        except (Exception, SystemExit) as error:
            self._fail(job, error)
        else:
            self._succeed(job, returned)

    async def _compute_batch(self, jobs: Sequence[Job]) -> None:
        payloads: Dict[int, Any] = {}
        for job in jobs:
            try:
                payloads[job.id] = job.payload()
            except Exception as error:
                self._fail(job, error)
        readable = [job for job in jobs if job.id in payloads]
        try:
            await self._compute_together(readable, payloads)
        except (Exception, SystemExit) as error:
            if len(readable) == 1:
                self._fail(readable[0], error)
                return
            # A single payload may have caused the failure, so each payload is tried alone.
            for job in readable:
                try:
                    await self._compute_together([job], payloads)
                except (Exception, SystemExit) as own:
                    self._fail(job, own)

    async def _compute_together(self, jobs: Sequence[Job], payloads: Dict[int, Any]) -> None:
        if not jobs:
            return
        for job in jobs:
            job.call.clear()
        returned = await self._call(jobs, stacked([payloads[job.id] for job in jobs]), [job.context for job in jobs])
        for job, result in zip(jobs, self._results(returned, jobs)):
            if isinstance(result, Exception):
                self._fail(job, result)
            else:
                self._succeed(job, result)

    def _results(self, returned: Any, jobs: Sequence[Job]) -> List[Any]:
        """The returned value for each job; None for every job if the bee has published or responded for all jobs."""
        given = [job.call.has_published or job.call.has_responded for job in jobs]
        if returned is not None:
            return results_of(returned, len(jobs))
        if not all(given):
            raise BadResult("the bee takes batches and returned nothing: return a list with a result for each payload")
        return [None] * len(jobs)

    async def _call(self, jobs: Sequence[Job], payload: Any, context: Any) -> Any:
        token = current_call.set(jobs[0].call if len(jobs) == 1 else None)
        requests = current_requests.set(tuple(job.context.request_id for job in jobs))
        detach = attached([job.context for job in jobs])
        try:
            returned = self.bee.call(self._swarm, payload, context)
            if inspect.isasyncgen(returned):
                return await _published_later(returned, jobs[0])
            if inspect.isgenerator(returned) and self.bee.gives_parts:
                return _published(returned, jobs[0])
            return await returned if self.bee.is_async else returned
        finally:
            detach()
            current_requests.reset(requests)
            current_call.reset(token)

    def _succeed(self, job: Job, returned: Any) -> None:
        if self._close(job):
            job.succeed(returned)

    def _fail(self, job: Job, error: BaseException) -> None:
        if not self._close(job):
            return
        if not isinstance(error, (Refused, Cancelled, BadResult)):
            requests = current_requests.set((job.context.request_id,))
            print(self._file.traceback_of(error), file=sys.stderr)
            current_requests.reset(requests)
        job.fail(error)

    def _close(self, job: Job) -> bool:
        """Removes a job from the open jobs. Returns True only at the first call for a job, so that the job gets one result."""
        if self._open.get(job.id) is not job:
            return False
        del self._open[job.id]
        return True


def _published(generator: Any, job: Job) -> Any:
    """Publishes the values that a generator yields. Returns the generator's return value, or else its parts as one result."""
    try:
        while True:
            try:
                part = next(generator)
            except StopIteration as end:
                return job.whole_of_parts() if end.value is None else end.value
            job.context.raise_if_cancelled()
            job.publish(part)
    finally:
        generator.close()


async def _published_later(generator: Any, job: Job) -> Any:
    """Does the same as `_published` for an asynchronous generator, which has no return value."""
    try:
        async for part in generator:
            job.context.raise_if_cancelled()
            job.publish(part)
        return job.whole_of_parts()
    finally:
        await generator.aclose()
