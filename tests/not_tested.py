"""What suites have skipped: `python -m tests.not_tested REPORT…`, with reports in JUnit's XML."""

import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree


def skipped(reports: Iterable[str]) -> Iterator[str]:
    """The reason of each skipped test, or of each module that was skipped as a whole."""
    for report in reports:
        for case in ElementTree.fromstring(report).iter("skipped"):  # noqa: S314 - pytest's
            reason = case.get("message", "")
            if reason == "collection skipped":
                _path, _line, reason = ast.literal_eval(case.text or "")
            yield str(reason).removeprefix("Skipped: ")


def summary(reasons: Iterable[str]) -> list[str]:
    """Lines with each reason once and its number of tests, the most frequent first."""
    counts = Counter(reasons)
    if not counts:
        return ["All tests have run: none was skipped."]
    return ["Not tested:", *(f"  {number:>4}  {reason}" for reason, number in counts.most_common())]


def main() -> None:
    """Print it."""
    print("\n".join(summary(skipped(Path(name).read_text() for name in sys.argv[1:]))))


if __name__ == "__main__":
    main()
