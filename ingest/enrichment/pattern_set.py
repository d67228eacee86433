"""Matches a text against many patterns at once.

All classes use ua-parser's native matcher. It first searches for the literals of all patterns, and
tries only the patterns whose literals it has found. This takes some microseconds for a thousand
patterns, in time linear in the text's length. The syntax is that of Rust's `regex`: no look-around,
and `(?i)` in front ignores case.
"""

import re
from collections.abc import Iterable
from typing import Final

from ua_parser_rs import UserAgentExtractor

_ESCAPE_OR_TEXT: Final = re.compile(r"\\.|[^\\]+", re.DOTALL)


class PatternSet:
    """A set of patterns; a text matches if any pattern does."""

    __slots__ = ("_extractor",)

    def __init__(self, patterns: Iterable[str]) -> None:
        """Compile the patterns.

        Args:
            patterns: Searched for anywhere in the text.

        Raises:
            ValueError: One of them is not a regular expression.
        """
        self._extractor = UserAgentExtractor(
            (pattern, "match", None, None, None, None) for pattern in patterns
        )

    def matches(self, text: str) -> bool:
        """Whether any pattern is found in the text."""
        return self._extractor.extract(text) is not None


class CaselessPatternSet(PatternSet):
    """A set of patterns that ignore case.

    Patterns and text are compared in lower case. Compiled with `(?i)`, a thousand patterns take ten
    times as long to compile, and three times the memory.
    """

    __slots__ = ()

    def __init__(self, patterns: Iterable[str]) -> None:
        """Compile the patterns. See `PatternSet`."""
        super().__init__(map(_lower, patterns))

    def matches(self, text: str) -> bool:
        """Whether any pattern is found in the text."""
        return super().matches(text.lower())


class NamePatterns:
    """Patterns for names with versions, in order of precedence."""

    __slots__ = ("_extractor",)

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        """Compile the patterns.

        Args:
            patterns: Pairs of a pattern and its name. The pattern's groups, if any, are the first
                and the second part of the version.

        Raises:
            ValueError: A pattern is not a regular expression.
        """
        # The matcher uses the first group as the name.
        self._extractor = UserAgentExtractor(
            (f"()(?:{pattern})", name, None, None, None, None) for pattern, name in patterns
        )

    def find(self, text: str) -> tuple[str, str] | None:
        """Return the name of the first pattern that is found in the text, and the version.

        Returns:
            The name, and a version of at most two parts, which may be empty; None if no pattern is
            found.
        """
        found = self._extractor.extract(text)
        if found is None:
            return None
        return found.family, join_version(found.major, found.minor)


def _lower(pattern: str) -> str:
    r"""Return a pattern in lower case, except its escapes: `\W` is not `\w`."""
    return _ESCAPE_OR_TEXT.sub(
        lambda found: found[0] if found[0].startswith("\\") else found[0].lower(), pattern
    )


def join_version(major: str | None, minor: str | None) -> str:
    """Join the two parts of a version that are stored (spec/enrichment.md §2)."""
    return f"{major}.{minor}" if major and minor else major or ""
