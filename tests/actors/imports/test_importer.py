from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from actors.imports.importer import BUSY, FAILED, SALTS_SECONDS, Importer, Report
from actors.imports.opening import ImportMistakeError
from actors.imports.past_import import PastImport
from benchmarks.access_logs import START, combined, requests
from ingest.past.import_progress import ImportProgress, Phase
from ingest.sessions.salts import LIFETIME
from tests.actors.imports.running_imports import (
    ImportEnvironment,
    an_import_request,
    an_importer,
    gate,
    last_report,
)
from tests.actors.pipeline.running_pipeline import fail_once
from tests.examples import NOON
from tests.ingest.past.states import a_state

LOG = b"".join(combined(request).encode() + b"\n" for request in requests(300))


@pytest.fixture
def environment(tmp_path: Path) -> ImportEnvironment:
    return ImportEnvironment(tmp_path, START + 86_400)


def phases(reports: Sequence[Report]) -> list[Phase]:
    return [report.phase for report in reports if isinstance(report, ImportProgress)]


async def test_an_import_is_followed_to_its_end(environment: ImportEnvironment) -> None:
    request = an_import_request(environment.write(LOG))
    async with an_importer(environment, environment.pipeline(), pause_ratio=1.0) as importer:
        async with importer.follow(request) as following:
            reports = [report async for report in following]
        assert phases(reports)[0] is Phase.CHECKING
        assert phases(reports)[-1] is Phase.FINISHED
        last = reports[-1]
        assert isinstance(last, ImportProgress)
        assert last.counts.accepted == len(environment.events()) > 0
        # There is room for the next.
        again = await last_report(importer, request)
        assert isinstance(again, ImportProgress)
        assert again.phase is Phase.KNOWN


async def test_one_at_a_time_for_as_long_as_it_is_followed(
    environment: ImportEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = an_import_request(environment.write(LOG))
    pipeline = environment.pipeline()
    opened = gate(pipeline, monkeypatch)
    async with an_importer(environment, pipeline) as importer:
        async with importer.follow(request) as following:
            await following.receive()
            refused = await last_report(importer, request)
            assert str(refused) == BUSY
        opened.set()
        last = await last_report(importer, request)
        assert isinstance(last, ImportProgress)
        assert last.phase is Phase.FINISHED
        assert last.counts.accepted == len(environment.events())


async def test_an_import_that_nobody_follows_any_more_makes_room(
    environment: ImportEnvironment,
) -> None:
    request = an_import_request(environment.write(LOG))
    async with an_importer(environment, environment.pipeline()) as importer:
        for _ in range(3):
            async with importer.follow(request):
                pass
        assert isinstance(await last_report(importer, request), ImportProgress)


async def test_mistakes_are_told(environment: ImportEnvironment) -> None:
    async with an_importer(environment, environment.pipeline()) as importer:
        missing = an_import_request(str(environment.directory / "none"))
        assert "No such file" in str(await last_report(importer, missing))
        last = await last_report(importer, an_import_request(environment.write(LOG)))
        assert isinstance(last, ImportProgress)


async def test_a_failure_of_ours_is_told_and_reaches_the_supervisor(
    environment: ImportEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = an_import_request(environment.write(LOG))
    failed = fail_once(PastImport, "_finish", monkeypatch)
    with capture_logs() as logs:
        async with an_importer(environment, environment.pipeline()) as importer:
            failure = await last_report(importer, request)
            assert isinstance(failure, ImportMistakeError)
            assert str(failure) == FAILED
            assert failed()
            last = await last_report(importer, request)
            assert isinstance(last, ImportProgress)
            assert last.phase is Phase.FINISHED
            assert last.counts.accepted == len(environment.events())
    (told,) = (entry for entry in logs if entry["event"] == "actor failed")
    assert (told["actor"], told["error"]) == ("imports", "ZeroDivisionError")


async def test_old_salts_are_deleted(
    environment: ImportEnvironment, autojump_clock: MockClock
) -> None:
    states = [a_state(b"abc", id="done", done=True), a_state(b"abc", id="interrupted")]
    for state in states:
        environment.files.save(state)
    environment.now = NOON + LIFETIME - 60
    importer = Importer(environment.context(environment.pipeline()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(importer.run)
        await trio.sleep(1)
        assert list(environment.files.states()) == states
        # A thread deletes them, for which this clock does not wait.
        with trio.fail_after(1000 * SALTS_SECONDS):
            while any(state.salt for state in environment.files.states()):  # noqa: ASYNC110
                await trio.sleep(SALTS_SECONDS / 60)
        nursery.cancel_scope.cancel()
