"""The usual batch, of which all is accepted, takes a shorter way to the same answer."""

import json
from typing import Any

import pytest

from ingest.http.batch_results import BatchPart, answer_of
from ingest.model.event import EventRequest
from ingest.model.verdict import ACCEPTED, LATE, Verdict
from ingest.model.verdict import DropReason as Reason
from ingest.request.parse import parse_event

BOT = Verdict(Reason.BOT)


def request(domains: str) -> EventRequest:
    params = {"n": "pageview", "u": "https://example.com/", "d": domains}
    return parse_event(params, timestamp=0, client_ip="", user_agent=None, ip_type=None)


def accepted(number: int) -> list[dict[str, Any]]:
    return [{"status": "accepted"}] * number


@pytest.mark.parametrize(
    ("domains", "verdicts", "items", "results"),
    [
        (["a"], [ACCEPTED], 0, accepted(1)),
        (["a", "b"], [ACCEPTED] * 2, 0, accepted(2)),
        (["a,b", "c"], [ACCEPTED] * 3, 0, accepted(2)),
        (["a", "b"], [ACCEPTED] * 2, 3, [*accepted(2), {"status": "unavailable"}]),
        (["a,b", "c"], [ACCEPTED] * 2, 0, [*accepted(1), {"status": "unavailable"}]),
        (["a", "b"], [], 0, [{"status": "unavailable"}] * 2),
        (["a", "b"], [None, ACCEPTED], 0, [{"status": "unavailable"}, *accepted(1)]),
        (["a", "b"], [LATE, ACCEPTED], 0, [{"status": "unavailable"}, *accepted(1)]),
        (
            ["a,b", "c"],
            [ACCEPTED, BOT, ACCEPTED],
            0,
            [{"status": "accepted", "reasons": {"b": "bot"}}, *accepted(1)],
        ),
        ([], [], 2, [{"status": "unavailable"}] * 2),
    ],
)
def test_results_of_the_items(
    domains: list[str],
    verdicts: list[Verdict | None],
    items: int,
    results: list[dict[str, Any]],
) -> None:
    part = BatchPart()
    for names in domains:
        part.add(request(names))
    assert part.given(verdicts, items) == results


def test_an_invalid_item_keeps_its_place() -> None:
    part = BatchPart()
    part.add(request("a"))
    part.results.append({"status": "invalid", "errors": {}})
    part.add(request("b"))
    statuses = [result["status"] for result in part.given([ACCEPTED] * 2)]
    assert statuses == ["accepted", "invalid", "accepted"]


@pytest.mark.parametrize("number", [1, 2, 32])
def test_the_answer_to_a_batch_of_which_all_is_accepted(number: int) -> None:
    counts = {"accepted": number, "dropped": 0, "invalid": 0, "unavailable": 0}
    answer = answer_of(accepted(number))
    assert answer.body == json.dumps({**counts, "results": accepted(number)}).encode()
    assert (answer.status, answer.headers, answer.reasons) == (202, (), ())
