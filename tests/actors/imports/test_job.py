import gzip
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.imports.job import ImportJob, ImportMistakeError
from actors.pipeline.receipts import Receipts
from benchmarks.access_logs import START, combined, requests
from ingest.past import import_run
from ingest.past.formats import Format
from ingest.past.import_progress import Phase
from ingest.past.import_request import Selection
from ingest.past.import_run import SALT_GONE
from ingest.rows.batch import Flush
from ingest.sessions.salts import LIFETIME
from tests.actors.fakes import an_outage
from tests.actors.imports.running_service import Office, an_order

LOG = b"".join(combined(request).encode() + b"\n" for request in requests(1500))
NOW = START + 86_400


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(import_run, "BATCH_EVENTS", 50)
    return Office(tmp_path, NOW)


@pytest.fixture
async def whole(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """The log, imported without any interruption, in one batch."""
    undisturbed = Office(tmp_path_factory.mktemp("whole"), NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_run, "BATCH_EVENTS", 10_000)
        await undisturbed.run(an_order(undisturbed.write(LOG)))
    return undisturbed


def without_ids(office: Office) -> list[tuple[Any, ...]]:
    return [(*row[:3], *row[5:]) for row in office.events()]


async def test_a_log(office: Office, whole: Office) -> None:
    progress = await office.run(an_order(office.write(LOG)))
    assert (progress.phase, progress.form) == (Phase.FINISHED, Format.ACCESS_LOG)
    assert progress.done == progress.total == len(LOG)
    counts = progress.counts
    assert counts.lines == 1500
    events, skipped, dropped = len(office.events()), counts.skipped, counts.dropped
    assert counts.accepted == events > 300
    assert events + sum(skipped.values()) + sum(dropped.values()) == 1500
    assert without_ids(office) == without_ids(whole)
    assert office.visits() == whole.visits()
    assert office.visits()["visits"] == counts.visits > 100
    assert len(whole.store.tokens) == 2 < len(office.store.tokens)
    (state,) = office.files.states()
    assert (state.done, state.salt, state.position) == (True, None, len(LOG))


async def test_again(office: Office) -> None:
    await office.run(an_order(office.write(LOG)))
    events = len(office.events())
    # Its name, its place and its compression say nothing.
    for content, name in ((LOG, "other"), (gzip.compress(LOG), "a.gz")):
        progress = await office.run(an_order(office.write(content, name)))
        assert progress.phase is Phase.KNOWN
        assert progress.earlier_lines == progress.counts.lines == 1500
    assert len(office.events()) == events
    progress = await office.run(an_order(office.write(LOG), anew=True))
    assert progress.phase is Phase.FINISHED
    assert len(office.events()) == 2 * events
    assert len(list(office.files.states())) == 2


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 13])
async def test_killed_at_any_moment(office: Office, whole: Office, steps: int) -> None:
    order = an_order(office.write(LOG))
    for _ in range(6):
        await office.run(order, steps=steps)
    progress = await office.run(order)
    assert progress.phase in (Phase.FINISHED, Phase.KNOWN)
    assert progress.counts.lines == 1500
    assert without_ids(office) == without_ids(whole)
    assert office.visits() == whole.visits()


@pytest.mark.parametrize("forgetful", [False, True], ids=["tokens", "tokens forgotten"])
@pytest.mark.parametrize("stored", [0, 1, 2], ids=["nothing", "visits only", "all"])
async def test_killed_while_a_batch_is_stored(
    office: Office, whole: Office, stored: int, forgetful: bool
) -> None:
    """The state file has the rows, and nobody knows which inserts have reached the store."""
    path = office.write(LOG)
    outlet, inbox = trio.open_memory_channel[Flush](1)
    job = await ImportJob.begin(an_order(path), office.surroundings(outlet, Receipts()))
    while not inbox.statistics().current_buffer_used:
        await job.advance(0.001)
    for insert in inbox.receive_nowait()[:stored]:
        office.store._keep(_Table(insert.table), insert.rows, insert.token)  # type: ignore[arg-type]
    job.close()
    if forgetful:
        office.store.tokens = [f"{number}" for number in range(stored)]
    await office.run(an_order(path))
    assert office.store.queries
    assert without_ids(office) == without_ids(whole)
    assert office.visits() == whole.visits()


class _Table:
    def __init__(self, name: str) -> None:
        self.name = name


async def test_a_log_that_has_grown(office: Office, whole: Office) -> None:
    cut = LOG.rfind(b"\n", 0, 200_000) + 1
    await office.run(an_order(office.write(LOG[: cut + 30]), growing=True))
    (state,) = office.files.states()
    assert (state.position, state.done) == (cut, True)
    assert state.salt is not None
    progress = await office.run(an_order(office.write(LOG), growing=True))
    assert progress.phase is Phase.FINISHED
    assert progress.earlier_lines == LOG[:cut].count(b"\n")
    assert not progress.notes
    assert without_ids(office) == without_ids(whole)
    assert office.visits() == whole.visits()  # those that were open went on


async def test_a_log_that_was_not_expected_to_grow(office: Office, whole: Office) -> None:
    cut = LOG.rfind(b"\n", 0, 200_000) + 1
    await office.run(an_order(office.write(LOG[:cut])))
    await office.run(an_order(office.write(LOG)))
    assert len(office.events()) == len(whole.events())
    assert office.visits()["pageviews"] == whole.visits()["pageviews"]


async def test_salts_that_are_too_old(office: Office, whole: Office) -> None:
    order = an_order(office.write(LOG))
    progress = await office.run(order, steps=8)
    while not list(office.files.states()):
        progress = await office.run(order, steps=12)
    office.now += LIFETIME + 1
    progress = await office.run(order)
    assert SALT_GONE in progress.notes
    assert len(office.events()) == len(whole.events())


async def test_a_file_that_has_changed(office: Office) -> None:
    await office.run(an_order(office.write(LOG)))
    changed = LOG[:-2000] + LOG[-1000:]
    with pytest.raises(ImportMistakeError, match="begins like the file of import"):
        await office.run(an_order(office.write(changed)))


async def test_another_choice_of_events(office: Office) -> None:
    path = office.write(LOG)
    half = Selection("example.com", until=START + 3600)
    await office.run(an_order(path, selection=half))
    events = len(office.events())
    with pytest.raises(ImportMistakeError, match="another choice of events"):
        await office.run(an_order(path))
    assert len(office.events()) == events > 0


async def test_a_dry_run(office: Office, whole: Office) -> None:
    progress = await office.run(an_order(office.write(LOG), dry_run=True))
    assert (progress.phase, progress.id) == (Phase.FINISHED, "")
    assert progress.counts.accepted == len(whole.events())
    assert not office.store.attempts
    assert not list(office.files.states())


async def test_several_files(office: Office, whole: Office) -> None:
    cut = LOG.rfind(b"\n", 0, 200_000) + 1
    paths = office.write(gzip.compress(LOG[:cut]), "a.gz"), office.write(LOG[cut:], "b")
    await office.run(an_order(*paths))
    assert without_ids(office) == without_ids(whole)
    # A part of them was imported with them.
    with pytest.raises(ImportMistakeError, match="differs"):
        await office.run(an_order(paths[0]))


async def test_the_store_is_away(office: Office, whole: Office) -> None:
    office.store.outages = [an_outage() for _ in range(3)]
    office.store.lands_before_failing = True
    await office.run(an_order(office.write(LOG)))
    assert without_ids(office) == without_ids(whole)


async def test_the_store_cannot_be_asked(office: Office, whole: Office) -> None:
    order = an_order(office.write(LOG))
    while not list(office.files.states()):
        await office.run(order, steps=12)
    office.store.unavailable = [an_outage()]
    await office.run(order)
    assert without_ids(office) == without_ids(whole)


async def test_stopped(office: Office, whole: Office) -> None:
    outlet, inbox = trio.open_memory_channel[Flush](0)
    receipts = Receipts()
    order = an_order(office.write(LOG))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(office.writer(inbox, receipts).run)
        job = await ImportJob.begin(order, office.surroundings(outlet, receipts))
        while job.progress().counts.accepted < 80:
            await job.advance(0.001)
        job.stop()
        while not (progress := await job.advance(0.001)).over:
            pass
        job.close()
        outlet.close()
    assert progress.phase is Phase.STOPPED
    assert progress.counts.accepted == len(office.events()) < len(whole.events())
    await office.run(order)
    assert without_ids(office) == without_ids(whole)
    assert office.visits() == whole.visits()


async def test_stopped_before_it_began(office: Office) -> None:
    outlet, _ = trio.open_memory_channel[Flush](0)
    around = office.surroundings(outlet, Receipts())
    job = await ImportJob.begin(an_order(office.write(LOG)), around)
    job.stop()
    assert (await job.advance(1)).phase is Phase.STOPPED
    assert job.id == ""
    assert not list(office.files.states())
    job.close()


async def test_a_file_that_is_damaged(office: Office) -> None:
    path = office.write(gzip.compress(LOG)[:-100], "a.gz")
    for _ in range(2):
        with pytest.raises(ImportMistakeError, match="its end is missing"):
            await office.run(an_order(path))
    (state,) = office.files.states()
    assert not state.done
    events = len(office.events())
    assert state.counts.accepted == events > 0
    # Mended, it goes on.
    progress = await office.run(an_order(office.write(gzip.compress(LOG), "a.gz")))
    assert progress.phase is Phase.FINISHED
    assert progress.counts.accepted == len(office.events()) > events


@pytest.mark.parametrize(
    ("content", "changes", "problem"),
    [
        (b"nonsense\n", {}, "access.log: its first lines are in none of the formats"),
        (b"", {}, "access.log: it has no lines"),
        (LOG, {"selection": Selection("nope.example")}, "nope.example is none of the sites"),
        (LOG, {"selection": Selection()}, "name the site"),
        (LOG, {"form": Format.EVENTS}, "it is not in the format events"),
    ],
)
async def test_mistakes(
    office: Office, content: bytes, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ImportMistakeError, match=problem):
        await office.run(an_order(office.write(content), **changes))
    with pytest.raises(ImportMistakeError, match="No such file"):
        await office.run(an_order(str(office.directory / "none")))


async def test_the_state_cannot_be_written(office: Office) -> None:
    (office.directory / "imports").write_text("in the way")
    with pytest.raises(ImportMistakeError, match="cannot write down how far the import is"):
        await office.run(an_order(office.write(LOG)))
    assert not office.events()


async def test_a_state_of_a_later_version(office: Office) -> None:
    await office.run(an_order(office.write(LOG)))
    (path,) = (office.directory / "imports").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2'))
    # It is not touched, and says nothing.
    assert (await office.run(an_order(office.write(LOG)))).phase is Phase.FINISHED
    assert path.exists()
