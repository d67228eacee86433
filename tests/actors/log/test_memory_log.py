import pytest

from actors.log.log import LogFullError, LogPoint, WritableLog
from actors.log.memory_log import MemoryLog
from tests.actors.log.checks import CHECKS, Check
from tests.actors.log.records import COUNTS, DESCRIPTION
from tests.actors.log.writable_checks import (
    WRITABLE_CHECKS,
    AppendingSupply,
    WritableCheck,
    append_events,
)
from tests.examples import NOON


def a_log(limit_events: int = 25_000) -> MemoryLog:
    return MemoryLog(DESCRIPTION, limit_events=limit_events, log_time=NOON)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_it_is_a_log(check: Check) -> None:
    log: WritableLog = a_log()
    await check(AppendingSupply(log))
    log.close()


@pytest.mark.parametrize("check", WRITABLE_CHECKS, ids=lambda check: check.__name__)
async def test_it_is_a_writable_log(check: WritableCheck) -> None:
    log: WritableLog = a_log()
    await check(log)
    log.close()


def test_no_two_share_an_id() -> None:
    assert a_log().id != a_log().id
    assert a_log().source_id != a_log().source_id
    assert not a_log().durable


async def test_its_limit_counts_events_that_wait() -> None:
    log = a_log(limit_events=10)
    await append_events(log, 0, 6)
    await log.append([COUNTS] * 20, NOON)
    assert not log.full
    with pytest.raises(LogFullError):
        await append_events(log, 6, 11)
    assert log.full
    # A run that would have room is taken, as long as there is some.
    await append_events(log, 6, 10)
    with pytest.raises(LogFullError):
        await append_events(log, 10, 11)
    await log.commit(LogPoint(7, 6))
    assert not log.full
    await append_events(log, 10, 16)


async def test_what_is_committed_is_gone() -> None:
    log = a_log()
    await append_events(log, 0, 6)
    await append_events(log, 6, 9)
    await log.commit(LogPoint(7, 6))
    assert log.first == 7
    await log.prepare(log.end, log.end)
    assert log.first == log.end.position
