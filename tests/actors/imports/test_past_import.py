import gzip
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from actors.clock.wall_clock import Clock
from actors.imports import past_import as module
from actors.imports.opening import ImportMistakeError
from actors.imports.past_import import SALT_GONE, PastImport
from actors.log.log import LogBrokenError, LogFullError
from benchmarks.access_logs import START, combined, requests
from ingest.model.event import EnrichedEvent
from ingest.past.access_log import AccessLogReader
from ingest.past.formats import Format
from ingest.past.import_progress import Phase
from ingest.past.import_request import ImportSelection
from ingest.past.import_state import decode_state
from ingest.past.past_pipeline import PastPipeline
from ingest.records.record import EndOfSource, Record
from ingest.sessions.salts import LIFETIME
from tests.actors.fakes import an_outage
from tests.actors.imports.running_imports import ImportEnvironment, an_import_request
from tests.actors.pipeline.running_pipeline import crashing, fail_once, running

LOG = b"".join(combined(request).encode() + b"\n" for request in requests(1500))
NOW = START + 86_400
CUT = LOG.rfind(b"\n", 0, 200_000) + 1
RECORDED = Path("tests/ingest/past/recorded")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportEnvironment:
    monkeypatch.setattr(module, "STRETCH_EVENTS", 150)
    return ImportEnvironment(tmp_path, NOW)


@pytest.fixture
async def whole(tmp_path_factory: pytest.TempPathFactory) -> ImportEnvironment:
    """The log, imported without any interruption, in one stretch."""
    undisturbed = ImportEnvironment(tmp_path_factory.mktemp("whole"), NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STRETCH_EVENTS", 10_000)
        await undisturbed.run(an_import_request(undisturbed.write(LOG)))
    return undisturbed


def pages(environment: ImportEnvironment) -> list[tuple[int, str]]:
    return [(row[0], row[6]) for row in environment.events()]


def without_ids(environment: ImportEnvironment) -> list[tuple[Any, ...]]:
    return [(*row[:3], *row[5:]) for row in environment.events()]


async def test_a_log(environment: ImportEnvironment, whole: ImportEnvironment) -> None:
    progress = await environment.run(an_import_request(environment.write(LOG)))
    assert (progress.phase, progress.form) == (Phase.FINISHED, Format.ACCESS_LOG)
    assert progress.done == progress.total == len(LOG)
    assert progress.seconds_left == 0
    counts = progress.counts
    assert counts.lines == 1500
    events, skipped, dropped = len(environment.events()), counts.skipped, counts.dropped
    assert counts.accepted == events > 300
    assert events + sum(skipped.values()) + sum(dropped.values()) == 1500
    assert without_ids(environment) == without_ids(whole)
    assert environment.visits() == whole.visits()
    assert counts.visits == environment.visits()["visits"] > 100
    # The counters tell of live events.
    assert "ingest_counters" not in environment.store.rows
    (state,) = environment.files.states()
    assert (state.done, state.salt, state.position) == (True, None, len(LOG))


async def test_again(environment: ImportEnvironment) -> None:
    first = await environment.run(an_import_request(environment.write(LOG)))
    events = len(environment.events())
    # Its name, its place and its compression say nothing.
    for content, name in ((LOG, "other"), (gzip.compress(LOG), "a.gz")):
        progress = await environment.run(an_import_request(environment.write(content, name)))
        assert progress.phase is Phase.KNOWN
        assert progress.earlier_lines == 1500
        assert progress.counts == first.counts
    assert len(environment.events()) == events
    progress = await environment.run(an_import_request(environment.write(LOG), anew=True))
    assert progress.phase is Phase.FINISHED
    assert progress.counts == first.counts
    assert len(environment.events()) == 2 * events
    assert len(list(environment.files.states())) == 2


async def test_killed_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each step of a run, alone."""
    content = LOG[: LOG.rfind(b"\n", 0, 60_000) + 1]
    whole = await import_with_deaths(tmp_path, content)
    monkeypatch.setattr(module, "STRETCH_EVENTS", 20)
    steps = 0
    while await import_with_deaths(tmp_path, content, steps, whole):
        steps += 1
    assert steps > 20


async def import_with_deaths(
    directory: Path, content: bytes, steps: int | None = None, whole: Any = None
) -> Any:
    """Import content in a directory of its own.

    Returns:
        The finished environment, if no death was wanted; otherwise whether there was one.
    """
    own = directory / f"{steps}"
    own.mkdir()
    environment = ImportEnvironment(own, NOW)
    request = an_import_request(environment.write(content))
    died = steps is not None and await environment.killed(request, steps)
    progress = await environment.run(request)
    if whole is None:
        return environment
    assert progress.phase in ((Phase.FINISHED, Phase.KNOWN) if died else (Phase.KNOWN,))
    assert progress.counts.lines == content.count(b"\n")
    assert progress.counts.accepted == len(whole.events())
    assert progress.counts.visits == whole.visits()["visits"]
    assert without_ids(environment) == without_ids(whole)
    assert environment.visits() == whole.visits()
    return died


@pytest.mark.parametrize("every", [1, 2, 5])
async def test_killed_again_and_again(
    environment: ImportEnvironment, whole: ImportEnvironment, every: int
) -> None:
    """Each run gets a few steps further than the one before, until one comes to the end."""
    request, steps = an_import_request(environment.write(LOG)), 0
    while await environment.killed(request, steps):
        steps += every
    assert steps > 4
    progress = await environment.run(request)
    assert progress.phase is Phase.KNOWN
    assert progress.counts.accepted == len(whole.events())
    assert progress.counts.visits == whole.visits()["visits"]
    assert without_ids(environment) == without_ids(whole)
    assert environment.visits() == whole.visits()


async def test_killed_and_forgotten_by_the_log(
    environment: ImportEnvironment, whole: ImportEnvironment
) -> None:
    """The import goes on so late that the fold has its salt's time behind it."""
    request = an_import_request(environment.write(LOG))
    assert await environment.killed(request, 9)
    environment.now += LIFETIME + 3600
    progress = await environment.run(request)
    assert SALT_GONE in progress.notes
    assert pages(environment) == pages(whole)
    assert progress.counts.visits == environment.visits()["visits"]


async def test_a_log_that_has_grown(
    environment: ImportEnvironment, whole: ImportEnvironment
) -> None:
    await environment.run(an_import_request(environment.write(LOG[: CUT + 30]), growing=True))
    (state,) = environment.files.states()
    assert (state.position, state.done) == (CUT, True)
    assert state.salt is not None
    progress = await environment.run(an_import_request(environment.write(LOG), growing=True))
    assert progress.phase is Phase.FINISHED
    assert progress.earlier_lines == LOG[:CUT].count(b"\n")
    assert not progress.notes
    assert progress.counts.visits == whole.visits()["visits"]
    assert without_ids(environment) == without_ids(whole)
    assert environment.visits() == whole.visits()  # those that were open went on
    # Without the option, the same content is the end.
    progress = await environment.run(an_import_request(environment.write(LOG)))
    assert progress.phase is Phase.KNOWN
    (state,) = environment.files.states()
    assert state.salt is None


async def test_a_log_that_was_not_expected_to_grow(
    environment: ImportEnvironment, whole: ImportEnvironment
) -> None:
    await environment.run(an_import_request(environment.write(LOG[:CUT])))
    progress = await environment.run(an_import_request(environment.write(LOG)))
    assert len(environment.events()) == len(whole.events())
    assert environment.visits()["pageviews"] == whole.visits()["pageviews"]
    assert progress.counts.visits == environment.visits()["visits"] >= whole.visits()["visits"]


async def test_an_import_that_takes_longer_than_a_salt_lives(
    environment: ImportEnvironment, whole: ImportEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = environment.pipeline()
    context = replace(environment.context(pipeline), clock=Clock(NOW))
    monkeypatch.setattr(
        context.clock, "now", lambda: NOW + (LIFETIME + 1 if pipeline.log.end.number else 0)
    )
    past_import = PastImport(an_import_request(environment.write(LOG)), context)
    async with running(pipeline):
        await past_import.run()
    assert set(past_import.progress().notes) == {SALT_GONE}
    assert len(environment.events()) == len(whole.events())


async def test_a_file_that_has_changed(environment: ImportEnvironment) -> None:
    await environment.run(an_import_request(environment.write(LOG)))
    changed = LOG[:-2000] + LOG[-1000:]
    with pytest.raises(ImportMistakeError, match="begins like the file of import"):
        await environment.run(an_import_request(environment.write(changed)))


async def test_a_file_that_has_changed_where_the_log_may_have_its_lines(
    environment: ImportEnvironment,
) -> None:
    """Its numbers would hide other lines."""
    request = an_import_request(environment.write(LOG))
    assert await environment.killed(request, 4)
    (state,) = environment.files.states()
    assert state.appended < state.position
    changed = LOG[: state.position - 100] + LOG[state.position :]
    with pytest.raises(ImportMistakeError, match="begins like the file of import"):
        await environment.run(an_import_request(environment.write(changed)))


async def test_a_file_that_changes_while_it_is_read(
    environment: ImportEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = an_import_request(environment.write(LOG))
    assert await environment.killed(request, 4)
    (state,) = environment.files.states()

    async def found(*_: object) -> object:
        return state

    monkeypatch.setattr(module, "find_previous", found)
    environment.write(LOG[1:] + b"\n")
    with pytest.raises(ImportMistakeError, match="has changed while it was read"):
        await environment.run(request)
    environment.write(LOG[:1000])
    state = replace(state, appended=state.position)
    with pytest.raises(ImportMistakeError, match="has become shorter"):
        await environment.run(request)


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
    assert progress.counts.visits == whole.visits()["visits"]
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
    paths = environment.write(gzip.compress(LOG[:CUT]), "a.gz"), environment.write(LOG[CUT:], "b")
    await environment.run(an_import_request(*paths))
    assert without_ids(environment) == without_ids(whole)
    # A part of them was imported with them.
    with pytest.raises(ImportMistakeError, match="differs"):
        await environment.run(an_import_request(paths[0]))


@pytest.mark.parametrize(
    ("rest", "growing", "taken"),
    [
        pytest.param(LOG[CUT:].split(b"\n")[0], False, True, id="whole"),
        pytest.param(LOG[CUT:].split(b"\n")[0], True, False, id="still written to"),
        pytest.param(LOG[CUT : CUT + 30], False, False, id="half"),
        pytest.param(b" ", False, False, id="nothing"),
    ],
)
async def test_a_last_line_without_an_end(
    environment: ImportEnvironment, rest: bytes, growing: bool, taken: bool
) -> None:
    path = environment.write(LOG[:CUT] + rest)
    progress = await environment.run(an_import_request(path, growing=growing))
    assert progress.counts.lines == LOG[:CUT].count(b"\n") + taken
    assert bool(progress.notes) is (not taken and bool(rest.strip()))


async def test_engagement_without_a_visit_is_counted_by_the_fold(
    environment: ImportEnvironment,
) -> None:
    line = '{{"n":"{}","u":"https://example.com/","timestamp":{},"ip":"203.0.113.9"{}}}\n'
    engagement = line.format("engagement", NOW - 9000, ',"e":1000')
    visit = line.format("pageview", NOW - 8000, "") + line.format(
        "engagement", NOW - 7990, ',"e":5'
    )
    progress = await environment.run(
        an_import_request(environment.write((engagement + visit).encode()))
    )
    counts = progress.counts
    assert (counts.accepted, counts.visits) == (2, 1)
    assert counts.dropped == {"no_session_for_engagement": 1}
    assert len(environment.events()) == 2


async def test_the_store_is_away(environment: ImportEnvironment, whole: ImportEnvironment) -> None:
    environment.store.outages = [an_outage() for _ in range(2)]
    environment.store.lands_before_failing = True
    await environment.run(an_import_request(environment.write(LOG)))
    assert without_ids(environment) == without_ids(whole)


async def test_cancelled(environment: ImportEnvironment, whole: ImportEnvironment) -> None:
    request = an_import_request(environment.write(LOG))
    pipeline = environment.pipeline()
    past_import = PastImport(request, environment.context(pipeline))
    async with running(pipeline), trio.open_nursery() as nursery:
        nursery.start_soon(past_import.run)
        while pipeline.log.end.number < 200:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert 0 < len(environment.events()) < len(whole.events())
    await environment.run(request)
    assert without_ids(environment) == without_ids(whole)
    assert environment.visits() == whole.visits()


async def test_live_events_go_on_beside_it(
    environment: ImportEnvironment, whole: ImportEnvironment
) -> None:
    pipeline = environment.pipeline()
    past_import = PastImport(
        an_import_request(environment.write(LOG)), environment.context(pipeline, pause_ratio=0.1)
    )
    live = 0
    async with running(pipeline), trio.open_nursery() as nursery:
        nursery.start_soon(past_import.run)
        while past_import.progress().phase is not Phase.FINISHED:
            (verdict,) = await pipeline.send(pathname="/live")
            assert verdict.accepted
            live += 1
    assert live > 1
    found = Counter(row[6] == "/live" for row in environment.events())
    assert found == {True: live, False: len(whole.events())}
    # All of them are one visit of now.
    assert environment.visits()["visits"] == whole.visits()["visits"] + 1
    assert pipeline.counted() == {"buffered": live}


async def test_no_more_is_appended_than_a_batch_ahead_of_the_store(
    environment: ImportEnvironment,
) -> None:
    environment.store.hangs = True
    pipeline = environment.pipeline()
    past_import = PastImport(
        an_import_request(environment.write(LOG)), environment.context(pipeline)
    )
    async with crashing(pipeline), trio.open_nursery() as nursery:
        nursery.start_soon(past_import.run)
        while pipeline.log.end.number < 200 or past_import.progress().phase is not Phase.WAITING:
            await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked(0.01)
        # A batch on its way, and one that waits; runs have up to 64 events.
        assert 200 <= pipeline.log.end.number < 2 * (100 + 64)
        nursery.cancel_scope.cancel()


async def test_a_salt_is_deleted_while_events_wait_for_the_store(
    environment: ImportEnvironment, whole: ImportEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.store.hangs = True
    pipeline = environment.pipeline()
    context = replace(environment.context(pipeline), clock=Clock(NOW))
    request = an_import_request(environment.write(LOG))
    past_import = PastImport(request, context)
    async with crashing(pipeline), trio.open_nursery() as nursery:
        nursery.start_soon(past_import.run)
        while pipeline.log.end.number < 200 or past_import.progress().phase is not Phase.WAITING:
            await trio.lowlevel.checkpoint()
        await past_import.forget_old_salt()
        (state,) = environment.files.states()
        assert state.salt is not None
        monkeypatch.setattr(context.clock, "now", lambda: NOW + LIFETIME + 1)
        await past_import.forget_old_salt()
        (later,) = environment.files.states()
        assert (later.salt, later.position) == (None, state.position)
        nursery.cancel_scope.cancel()
    environment.store.hangs = False
    progress = await environment.run(request)
    assert set(progress.notes) == {SALT_GONE}
    assert pages(environment) == pages(whole)


async def test_a_log_in_memory(environment: ImportEnvironment, whole: ImportEnvironment) -> None:
    progress = await environment.run(an_import_request(environment.write(LOG)), on_disk=False)
    assert progress.phase is Phase.FINISHED
    assert without_ids(environment) == without_ids(whole)


@pytest.mark.parametrize("kind", [EnrichedEvent, EndOfSource], ids=["events", "the end"])
async def test_a_log_that_is_full_for_a_while(
    environment: ImportEnvironment,
    whole: ImportEnvironment,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Record],
) -> None:
    pipeline = environment.pipeline()
    append, refused = pipeline.log.append, 0

    async def full_at_first(records: Sequence[Record], log_time: int) -> int:
        nonlocal refused
        if isinstance(records[0], kind) and refused < 3:
            refused += 1
            raise LogFullError("full")
        return await append(records, log_time)

    monkeypatch.setattr(pipeline.log, "append", full_at_first)
    past_import = PastImport(
        an_import_request(environment.write(LOG)), environment.context(pipeline)
    )
    async with running(pipeline):
        await past_import.run()
    assert refused == 3
    assert past_import.progress().phase is Phase.FINISHED
    assert without_ids(environment) == without_ids(whole)


async def test_a_log_that_cannot_be_trusted(
    environment: ImportEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = environment.pipeline()

    async def broken(*_: object) -> int:
        raise LogBrokenError("the disk has gone")

    past_import = PastImport(
        an_import_request(environment.write(LOG)), environment.context(pipeline)
    )
    async with crashing(pipeline):
        monkeypatch.setattr(pipeline.log, "append", broken)
        with pytest.raises(ImportMistakeError, match="takes no events: the disk has gone"):
            await past_import.run()


async def test_a_line_that_makes_the_program_fail(
    environment: ImportEnvironment, whole: ImportEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = fail_once(PastPipeline, "_decide", monkeypatch)
    with capture_logs() as logs:
        progress = await environment.run(an_import_request(environment.write(LOG)))
    assert failed()
    assert progress.phase is Phase.FINISHED
    assert progress.counts.broken == {"Sluice fails on it: ZeroDivisionError": 1}
    assert progress.counts.lines == 1500
    assert len(environment.events()) == len(whole.events()) - 1
    (told,) = (entry for entry in logs if entry["event"] == "line cannot be imported")
    assert told["line"] == 1
    assert LOG.split()[0].decode() not in str(told)


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
    path.write_bytes(path.read_bytes().replace(b'"version": 2', b'"version": 3'))
    # It is not touched, and says nothing.
    assert (
        await environment.run(an_import_request(environment.write(LOG)))
    ).phase is Phase.FINISHED
    assert path.exists()


W3C_COLUMNS = ["date", "time", "c-ip", "cs-method", "cs-uri-stem", "cs-uri-query", "sc-status"]


def w3c(columns: list[str], *paths: str) -> bytes:
    """A header and lines with these columns."""
    values = dict(
        zip(
            W3C_COLUMNS,
            ["2026-01-01", "00:00:00", "203.0.113.9", "GET", "-", "a=b", "200"],
            strict=True,
        )
    )
    lines = [values | {"cs-uri-stem": path} for path in paths]
    return "".join(
        f"{line}\n"
        for line in (
            f"#Fields: {' '.join(columns)}",
            *(" ".join(line[column] for column in columns) for line in lines),
        )
    ).encode()


@pytest.mark.parametrize("force", [True, False])
async def test_columns_that_change_before_the_first_new_line(
    environment: ImportEnvironment, force: bool
) -> None:
    others = W3C_COLUMNS[::-1]
    content = w3c(W3C_COLUMNS, "/1", "/2") + w3c(others, "/3", "/4", "/5")
    path = environment.write(content[: content.index(b"200 a=b /4")])
    request = an_import_request(path, growing=True, force=force)
    await environment.run(request)
    assert [page for _, page in pages(environment)] == ["/1", "/2", "/3"]
    environment.write(content)
    progress = await environment.run(request)
    assert (progress.phase, progress.counts.broken) == (Phase.FINISHED, {})
    assert [page for _, page in pages(environment)] == ["/1", "/2", "/3", "/4", "/5"]


async def test_a_line_that_has_its_end_after_a_death(environment: ImportEnvironment) -> None:
    lines = LOG.splitlines(keepends=True)
    request = an_import_request(environment.write(b"".join(lines[:9]).rstrip()))
    # After the state is written, and before anything is appended.
    assert await environment.killed(request, 2)
    environment.write(b"".join(lines[:12]))
    progress = await environment.run(request)
    assert (progress.phase, progress.counts.lines) == (Phase.FINISHED, 12)
    assert progress.counts.accepted == len(environment.events()) > 0


@pytest.mark.parametrize("number", [0, 12])
async def test_a_line_that_makes_its_reader_fail(
    environment: ImportEnvironment, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Also the last one, without an end."""
    lines = LOG.splitlines()[:13]
    read = AccessLogReader.read

    def fail(reader: AccessLogReader, line: bytes) -> object:
        if line == lines[number]:
            raise ZeroDivisionError
        return read(reader, line)

    path = environment.write(b"\n".join(lines))
    monkeypatch.setattr(AccessLogReader, "read", fail)
    progress = await environment.run(an_import_request(path, force=False))
    assert progress.phase is Phase.FINISHED
    assert progress.counts.broken == {"Sluice fails on it: ZeroDivisionError": 1}
    assert progress.counts.lines == 13
    assert progress.counts.accepted == len(environment.events()) > 0


async def test_a_repeated_import_that_is_interrupted(
    environment: ImportEnvironment, whole: ImportEnvironment
) -> None:
    await environment.run(an_import_request(environment.write(LOG)))
    request = an_import_request(environment.write(LOG), anew=True)
    assert await environment.killed(request, 9)
    progress = await environment.run(request)
    assert progress.phase is Phase.FINISHED
    assert len(environment.events()) == 2 * len(whole.events())
    # It is finished, so this is one more.
    await environment.run(request)
    assert len(environment.events()) == 3 * len(whole.events())


# States that a version with rows in its state files has written, with this log.


def recorded(environment: ImportEnvironment, name: str) -> None:
    directory = environment.directory / "imports"
    directory.mkdir()
    content = (RECORDED / f"import_version_1_{name}").read_bytes()
    state = decode_state(content.splitlines()[0])
    (directory / f"{state.id}.import").write_bytes(content)


async def test_an_earlier_version_s_import_is_known(environment: ImportEnvironment) -> None:
    recorded(environment, "done")
    progress = await environment.run(an_import_request(environment.write(LOG)))
    assert progress.phase is Phase.KNOWN
    assert progress.counts.lines == 1500
    assert progress.counts.visits
    assert not environment.events()


@pytest.mark.parametrize("name", ["stopped", "growing"])
async def test_an_earlier_version_s_import_goes_on(
    environment: ImportEnvironment, whole: ImportEnvironment, name: str
) -> None:
    recorded(environment, name)
    (before,) = environment.files.states()
    assert 0 < before.counts.accepted < len(whole.events())
    progress = await environment.run(an_import_request(environment.write(LOG), growing=True))
    assert progress.phase is Phase.FINISHED
    assert progress.earlier_lines == before.counts.lines
    # Exactly the others.
    assert pages(environment) == pages(whole)[before.counts.accepted :]
    assert progress.counts.accepted == len(whole.events())
    assert before.counts.visits
    assert progress.counts.visits == before.counts.visits + environment.visits()["visits"]


async def test_an_earlier_version_s_import_with_rows_is_refused(
    environment: ImportEnvironment,
) -> None:
    recorded(environment, "killed")
    (path,) = (environment.directory / "imports").iterdir()
    content = path.read_bytes()
    with pytest.raises(ImportMistakeError, match="Finish it with that version"):
        await environment.run(an_import_request(environment.write(LOG)))
    assert not environment.events()
    assert path.read_bytes() == content
