"""The results of a check, and their output."""

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any


class Level(enum.StrEnum):
    """How much a result matters."""

    OK = "ok"
    WARNING = "warning"
    """The server starts, but somebody should look at it."""
    PROBLEM = "problem"
    """The server does not start, or cannot do its work."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line.

    Attributes:
        level: How much it matters.
        text: What was found.
        advice: What to do about it; empty when there is nothing to do.
        starts: Whether the server starts in spite of a problem, and keeps events until it is over.
    """

    level: Level
    text: str
    advice: str = ""
    starts: bool = False


def ok(text: str) -> CheckResult:
    """All is well."""
    return CheckResult(Level.OK, text)


def warning(text: str, advice: str = "") -> CheckResult:
    """Somebody should look at it."""
    return CheckResult(Level.WARNING, text, advice)


def problem(text: str, advice: str) -> CheckResult:
    """Somebody must fix it before the server can start."""
    return CheckResult(Level.PROBLEM, text, advice)


def outage(text: str, advice: str) -> CheckResult:
    """Somebody must fix it before rows can be stored; the server starts and keeps events."""
    return CheckResult(Level.PROBLEM, text, advice, starts=True)


@dataclass(frozen=True, slots=True)
class Section:
    """Findings on one matter."""

    title: str
    results: tuple[CheckResult, ...]


Paint = Callable[[Level, str], str]
"""Gives a word the colour of a level."""


@dataclass(frozen=True, slots=True)
class Report:
    """All results.

    Attributes:
        sections: The results, by matter.
        verdicts: What can be done if there is no problem, and what cannot be done otherwise.
    """

    sections: tuple[Section, ...]
    verdicts: tuple[str, str] = ("the server can start", "the server cannot start")

    def count(self, level: Level) -> int:
        """How many results are of a level."""
        return sum(f.level is level for section in self.sections for f in section.results)

    @property
    def good(self) -> bool:
        """Whether there is no problem."""
        return not self.count(Level.PROBLEM)

    @property
    def can_start(self) -> bool:
        """Whether the server could start, if only to keep events."""
        return all(
            result.starts
            for section in self.sections
            for result in section.results
            if result.level is Level.PROBLEM
        )

    def lines(self, paint: Paint = lambda level, word: word) -> Iterator[str]:
        """The report as text, line by line."""
        for section in self.sections:
            yield section.title
            for result in section.results:
                yield f"  {paint(result.level, f'{result.level:<7}')}  {result.text}"
                if result.advice:
                    yield f"           → {result.advice}"
        yield ""
        warnings, problems = self.count(Level.WARNING), self.count(Level.PROBLEM)
        verdict = self.verdicts[not self.can_start]
        if self.can_start and not self.good:
            verdict = "the server will start and queue events until the store takes them"
        worst = Level.PROBLEM if problems else Level.WARNING if warnings else Level.OK
        yield paint(
            worst, f"{verdict}: {_number(problems, 'problem')}, {_number(warnings, 'warning')}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return {
            "can_start": self.can_start,
            "problems": self.count(Level.PROBLEM),
            "warnings": self.count(Level.WARNING),
            "sections": [
                {"title": section.title, "findings": list(map(_to_json, section.results))}
                for section in self.sections
            ],
        }


def by_severity(results: Iterable[CheckResult]) -> list[CheckResult]:
    """Results with the problems first."""
    order = [Level.PROBLEM, Level.WARNING, Level.OK]
    return sorted(results, key=lambda result: order.index(result.level))


def section(title: str, results: Iterable[CheckResult]) -> Section:
    """Findings under a title."""
    return Section(title, tuple(results))


def _to_json(result: CheckResult) -> dict[str, str]:
    return {"level": result.level.value, "text": result.text, "advice": result.advice}


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
