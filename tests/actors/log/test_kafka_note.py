import pytest
import trio
from trio.testing import MockClock

from actors.cluster.admin import CommittedOffset
from actors.cluster.membership import Holding, Outcome
from tests.actors.log.scripted_group import (
    REFUSED,
    SESSION_SECONDS,
    UNANSWERED,
    ScriptedGroup,
    a_note,
    plans,
    point,
)


async def test_a_commit_carries_the_plan(autojump_clock: MockClock) -> None:
    group = ScriptedGroup()
    note = a_note(group)
    await note.write(point(0), point(2))
    await note.write(point(2), point(5))
    await note.write(point(5), None)
    assert plans(group) == [(0, 2), (2, 5), (5, None)]


REPEATED = [(0, 2), (0, 2)]


@pytest.mark.parametrize(
    ("outcomes", "applies", "foreign", "sent", "end"),
    [
        # refused, and the group has what it had: the same again
        ([REFUSED], False, False, REPEATED, "settled"),
        ([REFUSED, REFUSED], False, False, [(0, 2)] * 3, "settled"),
        # refused, and the group has something else: the state is loaded anew
        ([REFUSED], False, True, [(0, 2)], "outdated"),
        # not answered: the same until it is, and then a new member, for the first may come late
        ([UNANSWERED], False, False, REPEATED, "rejoined"),
        ([UNANSWERED, REFUSED], False, False, [(0, 2)] * 3, "rejoined"),
        # not answered, but applied
        ([UNANSWERED], True, False, [(0, 2)], "rejoined"),
        ([UNANSWERED], False, True, [(0, 2)], "rejoined"),
    ],
)
async def test_a_commit_is_settled(
    autojump_clock: MockClock,
    outcomes: list[Outcome],
    applies: bool,
    foreign: bool,
    sent: list[tuple[int, int | None]],
    end: str,
) -> None:
    group = ScriptedGroup(*outcomes)
    group.applies = applies
    group.failures = 1
    if foreign:
        group.stored = CommittedOffset(1, "of another worker")
    note = a_note(group)
    settled = False
    with trio.move_on_after(100):
        await note.write(point(0), point(2))
        settled = True
    assert plans(group) == sent
    assert (settled, note.outdated.is_set(), group.rejoined) == (
        end == "settled",
        end == "outdated",
        int(end == "rejoined"),
    )
    if not settled:
        # Nothing more is sent, and nothing may be stored.
        with trio.move_on_after(100):
            await note.write(point(2), None)
        assert not await note.hold()
        assert plans(group) == sent


async def test_notes_of_a_lost_partition_never_return(autojump_clock: MockClock) -> None:
    group = ScriptedGroup()
    note = a_note(group)
    group.held = False
    with trio.move_on_after(100) as waiting:
        await note.write(point(1), None)
    assert waiting.cancelled_caught
    assert (group.sent, group.rejoined, note.outdated.is_set()) == ([], 0, False)
    assert not await note.hold()


async def test_a_commit_whose_answer_nobody_awaited_counts_as_unanswered(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = ScriptedGroup()
    note = a_note(group)
    answer = group.commit

    async def hang(holding: Holding, offset: int, metadata: str) -> Outcome:
        await answer(holding, offset, metadata)
        await trio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(group, "commit", hang)
    with trio.move_on_after(1):
        await note.write(point(1), None)
    monkeypatch.setattr(group, "commit", answer)
    with trio.move_on_after(1):
        await note.write(point(2), None)
    assert (len(group.sent), group.rejoined) == (1, 1)


async def test_a_lease_is_held_while_its_proof_is_fresh(autojump_clock: MockClock) -> None:
    group = ScriptedGroup()
    note = a_note(group)
    await note.write(point(0), point(2))
    assert await note.hold()
    await trio.sleep(SESSION_SECONDS / 2 - 1)
    assert await note.hold()
    assert len(group.sent) == 1
    await trio.sleep(2)
    assert await note.hold()
    # The same plan again proves it.
    assert group.sent[0] == group.sent[1]
    assert len(group.sent) == 2


async def test_a_lease_ends_with_a_commit_of_another_worker(autojump_clock: MockClock) -> None:
    group = ScriptedGroup()
    note = a_note(group)
    await note.write(point(0), point(2))
    await trio.sleep(SESSION_SECONDS)
    group.outcomes = [REFUSED]
    group.stored = CommittedOffset(2, "of another worker")
    assert not await note.hold()
    assert note.outdated.is_set()
