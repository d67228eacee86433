import pytest

from ingest.commands.output import table


@pytest.mark.parametrize(
    ("head", "rows", "lines"),
    [
        (("A", "B"), (), []),
        (("A", "B"), (("long", "x"), ("y", "")), ["A     B", "long  x", "y"]),
        (("N", "N"), ((1, 2.5), (100, 10)), ["  N    N", "  1  2.5", "100   10"]),
        (("MIXED",), ((1,), ("x",)), ["MIXED", "1", "x"]),
        (("a\x1b", "b"), (("c\nd", "e"),), ["a\\x1b  b", "c\\nd   e"]),
    ],
    ids=["empty", "text", "numbers", "mixed", "control characters"],
)
def test_tables(
    head: tuple[str, ...], rows: tuple[tuple[str | float, ...], ...], lines: list[str]
) -> None:
    assert list(table(head, rows)) == lines
