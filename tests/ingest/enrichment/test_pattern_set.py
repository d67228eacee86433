import pytest

from ingest.enrichment.pattern_set import (
    CaselessPatternSet,
    NamePatterns,
    PatternSet,
    join_version,
)

NAMES = NamePatterns(
    [
        (r"(?i)\bfrob/([0-9]+)(?:\.([0-9]+))?", "Frob"),
        (r"\bEngine/([0-9]+)\.([0-9]+)", "Engine"),
        (r"Nameless", "Other"),
    ]
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Engine/5.0 FROB/1.2.3", ("Frob", "1.2")),
        ("frob/7", ("Frob", "7")),
        ("Engine/5.01", ("Engine", "5.01")),
        ("Nameless", ("Other", "")),
        ("engine/5.0", None),
        ("", None),
    ],
)
def test_the_first_pattern_names(text: str, expected: tuple[str, str] | None) -> None:
    assert NAMES.find(text) == expected


def test_any_pattern_matches() -> None:
    patterns = PatternSet([r"(?i)one", r"two"])
    assert patterns.matches("ONE")
    assert patterns.matches("a two")
    assert not patterns.matches("TWO")


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("Two", "a TWO", True),
        ("[A-C]{2}", "xbc", True),
        (r"\W", "word", False),
        (r"\W", "two words", True),
        (r"A\.B", "a.b", True),
        (r"A\.B", "axb", False),
        (r"\\W", r"\w", True),
        ("é", "É", True),
    ],
)
def test_case_is_ignored(pattern: str, text: str, expected: bool) -> None:
    assert CaselessPatternSet([pattern]).matches(text) is expected


@pytest.mark.parametrize("pattern", ["(", "a(?=b)"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="regex"):
        PatternSet([pattern])
    with pytest.raises(ValueError, match="regex"):
        NamePatterns([(pattern, "x")])


@pytest.mark.parametrize(
    ("major", "minor", "expected"),
    [("1", "2", "1.2"), ("1", None, "1"), (None, None, ""), (None, "2", ""), ("22", "04", "22.04")],
)
def test_join_version(major: str | None, minor: str | None, expected: str) -> None:
    assert join_version(major, minor) == expected
