"""Fixtures for tests of bees. pytest finds the fixtures if this package is installed."""

from __future__ import annotations

import os
from typing import Callable, Iterator

import pytest

from . import Context, DevSwarm, Gateway


@pytest.fixture
def swarm() -> DevSwarm:
    """A new DevSwarm: `swarm.call(bee, payload)` runs a bee, `swarm.published` and `swarm.responded` have its results."""
    return DevSwarm()


@pytest.fixture
def bee_context() -> Callable[..., Context]:
    """A function that makes the context of a request, such as `bee_context(deadline=time.time() + 1)`."""

    def make(request_id: str = "request-1", **fields: object) -> Context:
        return Context(request_id, **fields)  # type: ignore[arg-type]

    return make


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A client of the swarm at WAGGLE_URL. The test is skipped if the variable is not set."""
    if not os.environ.get("WAGGLE_URL"):
        pytest.skip("WAGGLE_URL names no running swarm")
    with Gateway() as client:
        yield client
