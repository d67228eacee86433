import gzip
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.imports.job import ImportJob, ImportMistakeError
from actors.pipeline.flush import Flush
from benchmarks.access_logs import START, combined, requests
from ingest.past import import_run
from ingest.past.formats import Format
from ingest.past.import_progress import Phase
from ingest.past.import_request import ImportSelection
from ingest.past.import_run import SALT_GONE
from ingest.sessions.salts import LIFETIME
from tests.actors.fakes import an_outage
from tests.actors.imports.running_service import ImportEnvironment, an_import_request

LOG = b"".join(combined(request).encode() + b"\n" for request in requests(1500))
NOW = START + 86_400


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportEnvironment:
    monkeypatch.setattr(import_run, "BATCH_EVENTS", 50)
    return ImportEnvironment(tmp_path, NOW)


@pytest.fixture
async def whole(tmp_path_factory: pytest.TempPathFactory) -> ImportEnvironment:
    """The log, imported without any interruption, in one batch."""
    undisturbed = ImportEnvironment(tmp_path_factory.mktemp("whole"), NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_run, "BATCH_EVENTS", 10_000)
        await undisturbed.run(an_import_request(undisturbed.write(LOG)))
    return undisturbed


def without_ids(environment: ImportEnvironment) -> list[tuple[Any, ...]]:
    return [(*row[:3], *row[5:]) for row in environment.events()]


async def test_a_log(environment: ImportEnvironment, whole: ImportEnvironment) -> None:
    progress = await environment.run(an_import_request(environment.write(LOG)))
    assert (progress.phase, progress.form) == (Phase.FINISHED, Format.ACCESS_LOG)
    assert progress.done == progress.total == len(LOG)
    counts = progress.counts
    assert counts.lines == 1500
    events, skipped, dropped = len(environment.events()), counts.skipped, counts.dropped
    assert counts.accepted == events > 300
    assert events + sum(skipped.values()) + sum(dropped.values()) == 1500
    assert without_ids(environment) == without_ids(whole)
    assert environment.visits() == whole.visits()
    assert environment.visits()["visits"] == counts.visits > 100
    assert len(whole.store.tokens) == 2 < len(environment.store.tokens)
    (state,) = environment.files.states()
    assert (state.done, state.salt, state.position) == (True, None, len(LOG))


async def test_again(environment: ImportEnvironment) -> None:
    await environment.run(an_import_request(environment.write(LOG)))
    events = len(environment.events())
    # Its name, its place and its compression say nothing.
    for content, name in ((LOG, "other"), (gzip.compress(LOG), "a.gz")):
        progress = await environment.run(an_import_request(environment.write(content, name)))
        assert progress.phase is Phase.KNOWN
        assert progress.earlier_lines == progress.counts.lines == 1500
    assert len(environment.events()) == events
    progress = await environment.run(an_import_request(environment.write(LOG), anew=True))
    assert progress.phase is Phase.FINISHED
    assert len(environment.events()) == 2 * events
    assert len(list(environment.files.states())) == 2


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 13])
async def test_killed_at_any_moment(
    environment: ImportEnvironment, whole: ImportEnvironment, steps: int
) -> None:
    request = an_import_request(environment.write(LOG))
    for _ in range(6):
        await environment.run(request, steps=steps)
    progress = await environment.run(request)
    assert progress.phase in (Phase.FINISHED, Phase.KNOWN)
    assert progress.counts.lines == 1500
    assert without_ids(environment) == without_ids(whole)
    assert environment.visits() == whole.visits()


@pytest.mark.parametrize("forgetful", [False, True], ids=["tokens", "tokens forgotten"])
@pytest.mark.parametrize("stored", [0, 1, 2], ids=["nothing", "visits only", "all"])
async def test_killed_while_a_batch_is_stored(
    environment: ImportEnvironment, whole: ImportEnvironment, stored: int, forgetful: bool
) -> None:
    """The state file has the rows, and nobody knows which inserts have reached the store."""
    path = environment.write(LOG)
    outlet, inbox = trio.open_memory_channel[Flush](1)
    job = await ImportJob.begin(an_import_request(path), environment.context(outlet))
    while not inbox.statistics().current_buffer_used:
        await job.advance(0.001)
    for insert in inbox.receive_nowait().inserts[:stored]:
        environment.store._keep(_NamedTable(insert.table), insert.rows, insert.token)  # type: ignore[arg-type]
    job.close()
    if forgetful:
        environment.store.tokens = [f"{number}" for number in range(stored)]
    await environment.run(an_import_request(path))
    assert environment.store.queries
    assert without_ids(environment) == without_ids(whole)
    assert environment.visits() == whole.visits()


class _NamedTable:
    def __init__(self, name: str) -> None:
        self.name = name


async def test_a_log_that_has_grown(
    environment: ImportEnvironment, whole: ImportEnvironment
) -> None:
    cut = LOG.rfind(b"\n", 0, 200_000) + 1
    await environment.run(an_import_request(environment.write(LOG[: cut + 30]), growing=True))
    (state,) = environment.files.states()
    assert (state.position, state.done) == (cut, True)
    assert state.salt is not None
    progress = await environment.run(an_import_request(environment.write(LOG), growing=True))
    assert progress.phase is Phase.FINISHED
    assert progress.earlier_lines == LOG[:cut].count(b"\n")
    assert not progress.notes
    assert without_ids(environment) == without_ids(whole)
    assert environment.visits() == whole.visits()  # those that were open went on


async def test_a_log_that_was_not_expected_to_grow(
    environment: ImportEnvironment, whole: ImportEnvironment
) -> None:
    cut = LOG.rfind(b"\n", 0, 200_000) + 1
    await environment.run(an_import_request(environment.write(LOG[:cut])))
    await environment.run(an_import_request(environment.write(LOG)))
    assert len(environment.events()) == len(whole.events())
    assert environment.visits()["pageviews"] == whole.visits()["pageviews"]


async def test_salts_that_are_too_old(
    environment: ImportEnvironment, whole: ImportEnvironment
) -> None:
    request = an_import_request(environment.write(LOG))
    progress = await environment.run(request, steps=8)
    while not list(environment.files.states()):
        progress = await environment.run(request, steps=12)
    environment.now += LIFETIME + 1
    progress = await environment.run(request)
    assert SALT_GONE in progress.notes
    assert len(environment.events()) == len(whole.events())


async def test_a_file_that_has_changed(environment: ImportEnvironment) -> None:
    await environment.run(an_import_request(environment.write(LOG)))
    changed = LOG[:-2000] + LOG[-1000:]
    with pytest.raises(ImportMistakeError, match="begins like the file of import"):
        await environment.run(an_import_request(environment.write(changed)))


async def test_another_choice_of_events(environment: ImportEnvironment) -> None:
    path = environment.write(LOG)
    half = ImportSelection("example.com", until=START + 3600)
    await environment.run(an_import_request(path, selection=half))
    events = len(environment.events())
    with pytest.raises(ImportMistakeError, match="another choice of events"):
        await environment.run(an_import_request(path))
    assert len(environment.events()) == events > 0


async def test_a_dry_run(environment: ImportEnvironment, whole: ImportEnvironment) -> None:
    progress = await environment.run(an_import_request(environment.write(LOG), dry_run=True))
    assert (progress.phase, progress.id) == (Phase.FINISHED, "")
    assert progress.counts.accepted == len(whole.events())
    assert not environment.store.attempts
    assert not list(environment.files.states())


async def test_a_file_of_which_too_much_is_broken(environment: ImportEnvironment) -> None:
    lines = LOG.splitlines(keepends=True)[:100]
    path = environment.write(b"".join(lines) + 12 * b"nonsense\n")
    progress = await environment.run(an_import_request(path, force=False))
    assert (progress.phase, progress.id) == (Phase.REFUSED, "")
    assert (progress.counts.lines, progress.counts.broken_lines) == (112, 12)
    assert list(progress.counts.examples.values()) == [101]
    assert not environment.store.attempts
    assert not list(environment.files.states())
    progress = await environment.run(an_import_request(path))
    assert progress.phase is Phase.FINISHED
    assert len(environment.events()) == progress.counts.accepted > 0


async def test_lines_are_looked_at_first(
    environment: ImportEnvironment, whole: ImportEnvironment
) -> None:
    path = environment.write(LOG)
    assert (await environment.run(an_import_request(path, force=False))).phase is Phase.FINISHED
    assert without_ids(environment) == without_ids(whole)
    environment.write(LOG + 100 * b"nonsense\n")
    progress = await environment.run(an_import_request(path, force=False))
    assert progress.phase is Phase.FINISHED  # less than a tenth of all
    assert progress.counts.broken_lines == 100
    environment.write(LOG + 200 * b"nonsense\n")
    progress = await environment.run(an_import_request(path, force=False))
    assert (progress.phase, progress.counts.broken_lines) == (Phase.REFUSED, 200)


async def test_a_pattern(environment: ImportEnvironment, whole: ImportEnvironment) -> None:
    pattern = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
    selection = ImportSelection("example.com", pattern=pattern)
    request = an_import_request(environment.write(LOG), form=Format.PATTERN, selection=selection)
    assert (await environment.run(request)).phase is Phase.FINISHED
    assert without_ids(environment) == without_ids(whole)


async def test_several_files(environment: ImportEnvironment, whole: ImportEnvironment) -> None:
    cut = LOG.rfind(b"\n", 0, 200_000) + 1
    paths = environment.write(gzip.compress(LOG[:cut]), "a.gz"), environment.write(LOG[cut:], "b")
    await environment.run(an_import_request(*paths))
    assert without_ids(environment) == without_ids(whole)
    # A part of them was imported with them.
    with pytest.raises(ImportMistakeError, match="differs"):
        await environment.run(an_import_request(paths[0]))


async def test_the_store_is_away(environment: ImportEnvironment, whole: ImportEnvironment) -> None:
    environment.store.outages = [an_outage() for _ in range(3)]
    environment.store.lands_before_failing = True
    await environment.run(an_import_request(environment.write(LOG)))
    assert without_ids(environment) == without_ids(whole)


async def test_the_store_cannot_be_asked(
    environment: ImportEnvironment, whole: ImportEnvironment
) -> None:
    request = an_import_request(environment.write(LOG))
    while not list(environment.files.states()):
        await environment.run(request, steps=12)
    environment.store.unavailable = [an_outage()]
    await environment.run(request)
    assert without_ids(environment) == without_ids(whole)


async def test_stopped(environment: ImportEnvironment, whole: ImportEnvironment) -> None:
    outlet, inbox = trio.open_memory_channel[Flush](0)
    request = an_import_request(environment.write(LOG))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(environment.writer(inbox).run)
        job = await ImportJob.begin(request, environment.context(outlet))
        while job.progress().counts.accepted < 80:
            await job.advance(0.001)
        job.stop()
        while not (progress := await job.advance(0.001)).over:
            pass
        job.close()
        outlet.close()
    assert progress.phase is Phase.STOPPED
    assert progress.counts.accepted == len(environment.events()) < len(whole.events())
    await environment.run(request)
    assert without_ids(environment) == without_ids(whole)
    assert environment.visits() == whole.visits()


async def test_stopped_before_it_began(environment: ImportEnvironment) -> None:
    outlet, _ = trio.open_memory_channel[Flush](0)
    context = environment.context(outlet)
    job = await ImportJob.begin(an_import_request(environment.write(LOG)), context)
    job.stop()
    assert (await job.advance(1)).phase is Phase.STOPPED
    assert job.id == ""
    assert not list(environment.files.states())
    job.close()


async def test_a_file_that_is_damaged(environment: ImportEnvironment) -> None:
    path = environment.write(gzip.compress(LOG)[:-100], "a.gz")
    for _ in range(2):
        with pytest.raises(ImportMistakeError, match="its end is missing"):
            await environment.run(an_import_request(path))
    (state,) = environment.files.states()
    assert not state.done
    events = len(environment.events())
    assert state.counts.accepted == events > 0
    # Mended, it goes on.
    progress = await environment.run(
        an_import_request(environment.write(gzip.compress(LOG), "a.gz"))
    )
    assert progress.phase is Phase.FINISHED
    assert progress.counts.accepted == len(environment.events()) > events


@pytest.mark.parametrize(
    ("content", "changes", "problem"),
    [
        (b"nonsense\n", {}, "access.log: its first lines are in none of the formats"),
        (b"", {}, "access.log: it has no lines"),
        (LOG, {"selection": ImportSelection("nope.example")}, "nope.example is none of the sites"),
        (LOG, {"selection": ImportSelection()}, "name the site"),
        (LOG, {"form": Format.EVENTS}, "it is not in the format events"),
    ],
)
async def test_mistakes(
    environment: ImportEnvironment, content: bytes, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ImportMistakeError, match=problem):
        await environment.run(an_import_request(environment.write(content), **changes))
    with pytest.raises(ImportMistakeError, match="No such file"):
        await environment.run(an_import_request(str(environment.directory / "none")))


async def test_the_state_cannot_be_written(environment: ImportEnvironment) -> None:
    (environment.directory / "imports").write_text("in the way")
    with pytest.raises(ImportMistakeError, match="cannot write down how far the import is"):
        await environment.run(an_import_request(environment.write(LOG)))
    assert not environment.events()


async def test_a_state_of_a_later_version(environment: ImportEnvironment) -> None:
    await environment.run(an_import_request(environment.write(LOG)))
    (path,) = (environment.directory / "imports").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2'))
    # It is not touched, and says nothing.
    assert (
        await environment.run(an_import_request(environment.write(LOG)))
    ).phase is Phase.FINISHED
    assert path.exists()
