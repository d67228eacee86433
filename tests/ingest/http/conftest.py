from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.actors.pipeline.running_pipeline import Pipeline, running
from tests.ingest.http.application import Application


@pytest.fixture
async def pipeline(autojump_clock: MockClock, tmp_path: Path) -> AsyncIterator[Pipeline]:
    # pytest-trio takes the clock from the test's own arguments only.
    assert trio.current_time() == autojump_clock.current_time(), "the test must ask for the clock"
    async with running(Pipeline(tmp_path, intensity=2)) as pipeline:
        yield pipeline


@pytest.fixture
async def application(pipeline: Pipeline) -> Application:
    return Application(pipeline)
