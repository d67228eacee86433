"""A few of the conversations of `python -m tests.differential`, and all that it has found."""

from pathlib import Path
from random import Random

import pytest

from tests.differential.comparison import Outcome, Report, compare_all, open_pair
from tests.differential.conversations import Conversation, conversation
from tests.differential.early import may_be_answered_early
from tests.differential.found import FOUND

PAIRS = 150


async def test_what_was_found(tmp_path: Path) -> None:
    report = Report()
    async with open_pair(tmp_path, report) as pair:
        differing = {name: (await pair.compare(found)).differences for name, found in FOUND.items()}
    assert {name: found for name, found in differing.items() if found} == {}
    assert report.differences == []


async def test_random_conversations(tmp_path: Path) -> None:
    random = Random(1)  # noqa: S311 - to be repeated, not to be secret
    report = await compare_all(tmp_path, (conversation(random) for _ in range(PAIRS)))
    assert report.differences == []
    assert report.pairs
    assert {202, 400} <= set(report.statuses)


OK = b"HTTP/1.1 202 \r\n\r\nok"
DROPPED = b"HTTP/1.1 202 \r\nx-plausible-dropped: 1\r\n\r\nok"
BATCH = b'HTTP/1.1 202 \r\n\r\n{"accepted": 1, "dropped": 0}'
WRONG = b"HTTP/1.1 400 \r\n\r\n{}"
NOTHING = Conversation(b"")
TWO = Conversation(b'"d": "example.com,nowhere.example"')


def test_contradictions() -> None:
    def contradicts(answer: bytes, *stored: str, sent: Conversation = NOTHING) -> bool:
        return bool(Outcome(answer, stored).contradiction(sent))

    assert not contradicts(OK, "a")
    assert not contradicts(OK + WRONG + OK, "a", "b")
    assert not contradicts(DROPPED)
    assert not contradicts(BATCH, "a")
    assert not contradicts(OK, "a", "b", sent=TWO)
    assert not contradicts(OK, "a", "b", sent=Conversation(b"example.c\r\n21\r\nom,example.com"))
    assert not contradicts(WRONG)
    assert contradicts(WRONG, "a")
    assert contradicts(b"", "a")
    assert contradicts(OK)
    assert contradicts(OK + OK, "a")
    assert contradicts(OK, "a", "b")
    assert contradicts(BATCH)
    assert contradicts(BATCH, "a", "b")


def test_beginnings() -> None:
    def begin_alike(one: bytes, other: bytes) -> bool:
        return Outcome(one, ()).begins_as(Outcome(other, ()))

    assert begin_alike(OK + WRONG, OK + DROPPED)
    assert begin_alike(OK, OK + DROPPED)
    assert begin_alike(OK, WRONG)
    assert not begin_alike(b"", WRONG)
    assert not begin_alike(OK + OK, WRONG + OK)


GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST /api/event HTTP/1.1\r\nhost: a\r\n"
NOWHERE = b"POST /nowhere HTTP/1.1\r\nhost: a\r\n"


@pytest.mark.parametrize(
    ("sent", "early"),
    [
        (POST + b"content-length: 2\r\n\r\n{}", False),
        (POST + b"content-length: 2\r\n\r\n{", False),
        (POST + b"accept: a\r\ncontent-length: 2\r\n\r\n{", True),
        (NOWHERE + b"content-length: 0\r\n\r\n", False),
        (NOWHERE + b"content-length: 2\r\n\r\n{}", True),
        (NOWHERE + b"content-length: 2\r\n\r\n", True),
        (GET * 2, False),
        (GET + NOWHERE + b"content-length: 1\r\n\r\n", True),
        (b"nothing", False),
    ],
)
def test_early_answers(sent: bytes, early: bool) -> None:
    assert may_be_answered_early(sent) is early
