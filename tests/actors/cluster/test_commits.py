from collections.abc import Callable
from typing import Any, cast

import pytest
import trio
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from trio.testing import wait_all_tasks_blocked

from actors.cluster.commits import Commits
from actors.cluster.membership import Holding, Outcome

ACCEPTED, REFUSED = Outcome.ACCEPTED, Outcome.REFUSED
UNANSWERED, NOT_MINE = Outcome.UNANSWERED, Outcome.NOT_MINE

MINE = Holding(0, 1), Holding(1, 2)
LOST = Holding(2, 3)


class Answer(TopicPartition):
    """An answer with an error, which the client's own class lets nobody set."""

    error: Any = None


class ScriptedConsumer:
    """Notes the commits that it is sent, and answers them as it is told."""

    def __init__(self) -> None:
        self.sent: list[list[tuple[int, int, str | None]]] = []
        self.errors: dict[int, int] = {}
        self.raises: Exception | None = None
        self.silent = False
        self.member = "a member"

    def memberid(self) -> str:
        return self.member

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> list[Answer] | None:
        assert not asynchronous
        self.sent.append([(each.partition, each.offset, each.metadata) for each in offsets])
        if self.raises is not None:
            raise self.raises
        if self.silent:
            return None
        answers = []
        for each in offsets:
            answer = Answer(each.topic, each.partition)
            if each.partition in self.errors:
                answer.error = KafkaError(self.errors[each.partition])
            answers.append(answer)
        return answers


@pytest.fixture
def consumer() -> ScriptedConsumer:
    return ScriptedConsumer()


@pytest.fixture
def commits() -> Commits:
    def call(function: Callable[..., object], *arguments: object) -> None:
        function(*arguments)

    return Commits("events", lambda holding: holding in MINE, call)


async def outcomes_of(
    commits: Commits, consumer: ScriptedConsumer, *holdings: Holding
) -> list[Outcome]:
    """Wait for commits of partitions, while they are sent as long as there are any."""
    found: dict[int, Outcome] = {}

    async def commit(number: int, holding: Holding) -> None:
        found[number] = await commits.commit(holding, 10 + number, f"plan {number}")

    async with trio.open_nursery() as nursery:
        for number, holding in enumerate(holdings):
            nursery.start_soon(commit, number, holding)
            await wait_all_tasks_blocked()
        while commits:
            commits.send(cast("Consumer", consumer))
    return [found[number] for number in range(len(holdings))]


async def test_commits_of_different_partitions_are_sent_together(
    commits: Commits, consumer: ScriptedConsumer
) -> None:
    assert await outcomes_of(commits, consumer, *MINE, MINE[0]) == [ACCEPTED] * 3
    assert consumer.sent == [[(0, 10, "plan 0"), (1, 11, "plan 1")], [(0, 12, "plan 2")]]
    assert commits.proven_at > 0


async def test_nothing_is_sent_for_a_partition_that_is_not_held(
    commits: Commits, consumer: ScriptedConsumer
) -> None:
    assert await outcomes_of(commits, consumer, LOST, Holding(0, 9)) == [NOT_MINE] * 2
    assert consumer.sent == []
    assert await outcomes_of(commits, consumer, LOST, MINE[1]) == [NOT_MINE, ACCEPTED]
    assert consumer.sent == [[(1, 11, "plan 1")]]


async def test_nothing_is_sent_without_a_member_id(
    commits: Commits, consumer: ScriptedConsumer
) -> None:
    consumer.member = ""
    assert await outcomes_of(commits, consumer, *MINE) == [REFUSED] * 2
    assert consumer.sent == []


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ({0: KafkaError.ILLEGAL_GENERATION}, [REFUSED, ACCEPTED]),
        ({1: KafkaError.NOT_COORDINATOR}, [ACCEPTED, UNANSWERED]),
        (dict.fromkeys((0, 1), KafkaError.UNKNOWN_MEMBER_ID), [REFUSED, REFUSED]),
    ],
)
async def test_each_partition_has_an_answer_of_its_own(
    commits: Commits,
    consumer: ScriptedConsumer,
    errors: dict[int, int],
    expected: list[Outcome],
) -> None:
    consumer.errors = errors
    assert await outcomes_of(commits, consumer, *MINE) == expected
    # Only an accepted commit proves the membership.
    assert (commits.proven_at > 0) == (ACCEPTED in expected)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(KafkaError.REBALANCE_IN_PROGRESS, REFUSED), (KafkaError._TIMED_OUT, UNANSWERED)],
)
async def test_an_error_of_the_request_is_that_of_all(
    commits: Commits, consumer: ScriptedConsumer, code: int, expected: Outcome
) -> None:
    consumer.raises = KafkaException(KafkaError(code))
    assert await outcomes_of(commits, consumer, *MINE) == [expected] * 2


async def test_no_answer(commits: Commits, consumer: ScriptedConsumer) -> None:
    consumer.silent = True
    assert await outcomes_of(commits, consumer, *MINE) == [UNANSWERED] * 2


@pytest.mark.parametrize("raised", [False, True])
async def test_a_fatal_error_is_told_once_the_commits_are_answered(
    commits: Commits, consumer: ScriptedConsumer, raised: bool
) -> None:
    code = KafkaError.FENCED_INSTANCE_ID
    if raised:
        consumer.raises = KafkaException(KafkaError(code))
    else:
        consumer.errors = {0: code}
    assert commits.send(cast("Consumer", consumer)) is None
    assert await outcomes_of(commits, consumer, MINE[0]) == [UNANSWERED]
    failure = commits.send(cast("Consumer", consumer))
    assert failure is not None
    assert str(failure).startswith("FENCED_INSTANCE_ID")


async def test_after_the_end_nothing_is_sent(
    commits: Commits, consumer: ScriptedConsumer, nursery: trio.Nursery
) -> None:
    found: list[Outcome] = []

    async def commit() -> None:
        found.append(await commits.commit(MINE[0], 1, ""))

    nursery.start_soon(commit)
    await wait_all_tasks_blocked()
    commits.end()
    await wait_all_tasks_blocked()
    await commit()

    assert found == [NOT_MINE] * 2
    assert consumer.sent == []
