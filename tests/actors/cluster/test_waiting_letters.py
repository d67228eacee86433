import trio
from trio.testing import wait_all_tasks_blocked

from actors.cluster.waiting_letters import WaitingLetters, WaitingRecord


def a_record(letter_id: str, size: int, outcomes: list[tuple[str, bool]]) -> WaitingRecord:
    record = WaitingRecord(letter_id, lambda: iter([b"frame"]), size)
    record.told.append(lambda kept: outcomes.append((letter_id, kept)))
    return record


async def test_records_are_settled_in_order() -> None:
    waiting, outcomes = WaitingLetters(), list[tuple[str, bool]]()
    waiting.put_letter(a_record("a", 10, outcomes))
    waiting.put_mark(a_record("b", 0, outcomes))
    waiting.put_letter(a_record("c", 30, outcomes))
    assert (len(waiting), list(waiting.letters), waiting.bytes) == (3, ["a", "c"], 40)

    for kept in (True, True, False):
        await waiting.first()
        waiting.settle(kept)

    assert outcomes == [("a", True), ("b", True), ("c", False)]
    assert (len(waiting), waiting.letters, waiting.bytes) == (0, {}, 0)


async def test_a_mark_does_not_settle_the_letter_of_the_same_id() -> None:
    waiting, outcomes = WaitingLetters(), list[tuple[str, bool]]()
    waiting.put_mark(a_record("a", 0, outcomes))
    waiting.put_letter(a_record("a", 10, outcomes))

    waiting.settle(True)

    assert (len(waiting), list(waiting.letters), waiting.bytes) == (1, ["a"], 10)


async def test_whoever_waits_for_a_record_is_woken(nursery: trio.Nursery) -> None:
    waiting, found = WaitingLetters(), list[str]()

    async def take() -> None:
        found.append((await waiting.first()).id)

    nursery.start_soon(take)
    await wait_all_tasks_blocked()
    waiting.put_letter(a_record("a", 1, []))
    await wait_all_tasks_blocked()

    assert found == ["a"]


async def test_only_what_waits_now_is_waited_for(nursery: trio.Nursery) -> None:
    waiting, settled = WaitingLetters(), trio.Event()

    async def wait() -> None:
        await waiting.settled()
        settled.set()

    waiting.put_letter(a_record("a", 1, []))
    nursery.start_soon(wait)
    await wait_all_tasks_blocked()
    waiting.put_letter(a_record("b", 1, []))
    assert not settled.is_set()

    waiting.settle(True)
    await wait_all_tasks_blocked()

    assert settled.is_set()
