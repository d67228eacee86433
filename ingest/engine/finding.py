"""What was found on a cluster, in words."""

from typing import NamedTuple


class Finding(NamedTuple):
    """Something that an operator should know.

    Attributes:
        severe: Whether it must be mended, because events may be lost or refused.
        text: What was found.
        advice: What to do; empty if there is nothing to do.
    """

    severe: bool
    text: str
    advice: str = ""


def problem(text: str, advice: str) -> Finding:
    """A finding that must be mended."""
    return Finding(True, text, advice)


def warning(text: str, advice: str = "") -> Finding:
    """A finding that should be looked at."""
    return Finding(False, text, advice)
