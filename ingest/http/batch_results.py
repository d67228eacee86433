"""The results of a batch's events, and the answer that they make."""

import json
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from actors.pipeline.intake import RETRY_AFTER_SECONDS
from ingest.http.answer import JSON, Answer
from ingest.model.event import EventRequest
from ingest.model.verdict import ACCEPTED, Verdict

Result = dict[str, Any]
"""The result of an item: its `status`, with `reasons` or `errors`."""

_ACCEPTED: Final[Result] = {"status": "accepted"}
_ACCEPTED_TEXT: Final = json.dumps(_ACCEPTED)


class BatchPart:
    """Events that are sent into the pipeline together.

    Attributes:
        results: The results of all items so far; empty for those that wait for their verdicts.
        requests: The valid items.
    """

    __slots__ = ("_events", "_numbers", "requests", "results")

    def __init__(self) -> None:
        """Start without items."""
        self.results: list[Result] = []
        self.requests: list[EventRequest] = []
        self._numbers: list[int] = []
        self._events = 0

    def add(self, request: EventRequest) -> None:
        """Add a valid item."""
        self._numbers.append(len(self.results))
        self._events += len(request.domains)
        self.requests.append(request)
        self.results.append({})

    def given(self, verdicts: Sequence[Verdict | None], items: int = 0) -> list[Result]:
        """Return the results of all items.

        Args:
            verdicts: A verdict for each domain of the requests, in order; None for those that the
                pipeline has not taken. Those that are missing at the end were not taken either.
            items: How many there are, if they could not all be read.
        """
        if verdicts.count(ACCEPTED) == self._events:  # the usual case, in a fraction of the time
            for number in self._numbers:
                self.results[number] = _ACCEPTED
        else:
            self._give_each(verdicts)
        self.results += [{"status": "unavailable"}] * (items - len(self.results))
        return self.results

    def _give_each(self, verdicts: Sequence[Verdict | None]) -> None:
        remaining = iter(verdicts)
        for number, request in zip(self._numbers, self.requests, strict=True):
            self.results[number] = _result(request, list(islice(remaining, len(request.domains))))


def _result(request: EventRequest, given: Sequence[Verdict | None]) -> Result:
    verdicts = [verdict for verdict in given if verdict is not None]
    accepted = any(verdict.accepted for verdict in verdicts)
    if not verdicts or (not accepted and any(verdict.passing for verdict in verdicts)):
        return {"status": "unavailable"}
    reasons = {
        domain: verdict.reason.value
        for domain, verdict in zip(request.domains, verdicts, strict=True)
        if verdict.reason is not None
    }
    if not reasons:
        return _ACCEPTED
    return {"status": "accepted" if accepted else "dropped", "reasons": reasons}


class BatchReport:
    """The results of a batch as text, which takes a fraction of the memory and time at the end."""

    def __init__(self) -> None:
        """Start without results."""
        self._counts = Counter[str]()
        self._reasons: set[str] = set()
        self._texts: list[str] = []

    def __bool__(self) -> bool:
        """Whether there are results."""
        return bool(self._texts)

    def add(self, results: Sequence[Result]) -> None:
        """Add results, in order."""
        if results.count(_ACCEPTED) == len(results):
            self._counts["accepted"] += len(results)
            self._texts += [_ACCEPTED_TEXT] * len(results)
            return
        self._counts.update(result["status"] for result in results)
        self._reasons.update(
            reason for result in results for reason in result.get("reasons", {}).values()
        )
        self._texts.append(json.dumps(results)[1:-1])

    def answer(self) -> Answer:
        """Answer 202 if one was accepted or dropped, else 503 if one was unavailable, else 400."""
        counts = {
            status: self._counts[status]
            for status in ("accepted", "dropped", "invalid", "unavailable")
        }
        text = f'{json.dumps(counts)[:-1]}, "results": [{", ".join(self._texts)}]}}'
        headers: tuple[tuple[str, str], ...] = ()
        if counts["accepted"] or counts["dropped"]:
            status = 202
        elif counts["unavailable"]:
            status, headers = 503, (("retry-after", str(RETRY_AFTER_SECONDS)),)
        else:
            status = 400
        return Answer(status, text.encode(), JSON, headers, tuple(sorted(self._reasons)))


def answer_of(results: Sequence[Result]) -> Answer:
    """Return the answer that the results of a whole small batch make."""
    if results.count(_ACCEPTED) == len(results):
        return _all_accepted(len(results))
    return _answer_of(results)


@lru_cache(maxsize=64)
def _all_accepted(items: int) -> Answer:
    return _answer_of([_ACCEPTED] * items)


def _answer_of(results: Sequence[Result]) -> Answer:
    report = BatchReport()
    report.add(results)
    return report.answer()
