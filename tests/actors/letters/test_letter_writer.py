from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_directory import LetterDirectory, Writing
from actors.letters.letter_writer import (
    BATCH,
    GIVE_UP_SECONDS,
    LONGEST_DELAY,
    PROBLEM_SECONDS,
    SCAN_SECONDS,
    LetterWriter,
)
from ingest.rows.batch import Insert
from tests.examples import NOON

ROWS = Insert("events_v2", ((1, "a"),), "token")


class Desk:
    """A writer of letters over a disk that may be broken."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.letters = DeadLetters(directory / "letters", lambda: float(NOON))
        self.writer = LetterWriter(self.letters)
        self.directory = LetterDirectory(directory / "letters")
        self.told: list[tuple[str, bool, float]] = []
        self.batches: list[int] = []
        self.broken = False
        self.unwritable: set[str] = set()
        self._write = self.letters.directory.write
        monkeypatch.setattr(self.letters.directory, "write", self.write)

    def write(self, batch: Sequence[Writing]) -> Sequence[Exception | None]:
        self.batches.append(len(batch))
        if self.broken:
            return [OSError(28, "No space left on device")] * len(batch)
        return [
            OSError(28, "No space left on device")
            if writing.letter.error in self.unwritable
            else self._write([writing])[0]
            for writing in batch
        ]

    def keep(self, name: str = "x") -> None:
        def tell(kept: bool) -> None:
            self.told.append((name, kept, round(trio.current_time(), 3)))

        assert self.letters.keep("writer", ROWS, name, told=tell)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


async def test_writes_what_is_queued_at_once(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    nursery.start_soon(desk.writer.run)
    await wait_all_tasks_blocked()
    desk.keep()
    assert desk.writer.has_work
    await desk.letters.written()
    assert desk.told == [("x", True, 0)]
    assert not desk.writer.has_work
    assert len(desk.directory.scan().letters) == 1
    await desk.letters.written()


async def test_batches_are_bounded(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    for _ in range(2 * BATCH + 1):
        desk.keep()
    nursery.start_soon(desk.writer.run)
    await desk.letters.written()
    assert desk.batches == [BATCH, BATCH, 1]


async def test_a_disk_that_recovers_costs_nothing(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    desk.broken = True
    for _ in range(2 * BATCH):
        desk.keep()
    nursery.start_soon(desk.writer.run)
    await trio.sleep(GIVE_UP_SECONDS - 1)
    assert desk.letters.status() == {
        "status": "degraded",
        "kept": 2 * BATCH,
        "full": False,
        "reason": "[Errno 28] No space left on device",
    }
    assert desk.told == []
    desk.broken = False
    await desk.letters.written()
    assert {kept for _, kept, _ in desk.told} == {True}
    assert desk.letters.problem is None


async def test_what_a_broken_disk_does_not_take_in_time_is_given_up(
    autojump_clock: MockClock,
    desk: Desk,
    nursery: trio.Nursery,
    capsys: pytest.CaptureFixture[str],
) -> None:
    desk.broken = True
    for _ in range(3 * BATCH):
        desk.keep()
    nursery.start_soon(desk.writer.run)
    await trio.sleep(2)
    desk.keep("later")
    with trio.fail_after(2 + GIVE_UP_SECONDS + LONGEST_DELAY):
        await desk.letters.written()
    assert len(desk.told) == 3 * BATCH + 1
    assert {kept for _, kept, _ in desk.told} == {False}
    for name, _, at in desk.told:
        began = 2 if name == "later" else 0
        assert GIVE_UP_SECONDS <= at - began <= GIVE_UP_SECONDS + 2 * LONGEST_DELAY
    assert len(desk.letters) == 0
    assert capsys.readouterr().out.count("dead letter not kept") == 3 * BATCH + 1
    assert desk.letters.status()["status"] == "degraded"
    await trio.sleep(PROBLEM_SECONDS + SCAN_SECONDS)
    assert desk.letters.status()["status"] == "ok"


async def test_one_letter_that_cannot_be_written_keeps_no_other_waiting(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    desk.unwritable = {"big"}
    desk.keep("big")
    nursery.start_soon(desk.writer.run)
    for _ in range(10):
        await trio.sleep(1)
        desk.keep("small")
    await desk.letters.written()
    big = [(kept, at) for name, kept, at in desk.told if name == "big"]
    assert [kept for kept, _ in big] == [False]
    small = [at for name, kept, at in desk.told if name == "small" and kept]
    assert len(small) == 10
    assert all(at <= number + 1 + LONGEST_DELAY for number, at in enumerate(small))


async def test_sees_what_the_command_line_has_done(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    desk.keep("a")
    desk.keep("b")
    nursery.start_soon(desk.writer.run)
    await desk.letters.written()
    first, second = desk.letters.ids()
    await trio.sleep(10 * SCAN_SECONDS)
    desk.directory.mark(first)
    desk.directory.drop(second)
    await trio.sleep(1.5 * SCAN_SECONDS)
    assert (list(desk.letters.ids()), desk.letters.to_redrive()) == ([first], [first])


async def test_a_directory_that_nobody_changes_is_not_listed_again_and_again(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.keep()
    nursery.start_soon(desk.writer.run)
    await trio.sleep(10 * SCAN_SECONDS)
    monkeypatch.setattr(desk.letters, "apply", lambda listing: pytest.fail("listed"))
    await trio.sleep(10 * SCAN_SECONDS)


async def test_a_directory_that_cannot_be_read_is_tried_again(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError(5, "Input/output error")

    desk.keep()
    nursery.start_soon(desk.writer.run)
    with monkeypatch.context() as patch:
        patch.setattr(desk.letters.directory, "stamp", fail)
        await trio.sleep(2 * SCAN_SECONDS)
    (letter_id,) = desk.letters.ids()
    desk.directory.drop(letter_id)
    await trio.sleep(2 * SCAN_SECONDS)
    assert len(desk.letters) == 0


async def test_changes_are_made_in_the_thread(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    desk.keep("a")
    desk.keep("b")
    nursery.start_soon(desk.writer.run)
    await desk.letters.written()
    first, second = desk.letters.ids()
    desk.letters.settle(first)
    await trio.sleep(1)
    assert list(desk.directory.scan().letters) == [second]
    assert (await desk.letters.read(second)).error == "b"
