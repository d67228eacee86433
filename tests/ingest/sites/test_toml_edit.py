import pytest

from ingest.sites.toml_edit import (
    append_section,
    drop,
    inline_table,
    literal,
    set_array,
    set_value,
)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1, "1"),
        (True, "true"),
        ('a "b" \\', '"a \\"b\\" \\\\"'),
        (["a", "b"], '["a", "b"]'),
        (["a" * 50, "b" * 50], f'[\n    "{"a" * 50}",\n    "{"b" * 50}",\n]'),
    ],
)
def test_literal(value: object, written: str) -> None:
    assert literal(value) == written


def test_inline_table() -> None:
    assert inline_table({"events": 1, "of": "x"}) == '{ events = 1, of = "x" }'


@pytest.mark.parametrize(
    ("text", "after"),
    [
        pytest.param("[a]\nb = 1 # c\n", "[a]\nb = 2 # c\n", id="there"),
        pytest.param("[a]\n\n[c]\nb = 1\n", "[a]\nb = 2\n\n[c]\nb = 1\n", id="empty table"),
        pytest.param("[a]\nc = 1", "[a]\nc = 1\nb = 2\n", id="no end of line"),
        pytest.param("a = { c = 1 }\n", "a = { c = 1, b = 2 }\n", id="inline"),
        pytest.param("a = {}\n", "a = { b = 2 }\n", id="inline, empty"),
        pytest.param('[a]\nc = """\n[x]\n"""\n', '[a]\nc = """\n[x]\n"""\nb = 2\n', id="text"),
    ],
)
def test_set_value(text: str, after: str) -> None:
    assert set_value(text, ("a", "b"), "2") == after


def test_a_table_that_is_not_there_takes_no_value() -> None:
    with pytest.raises(KeyError):
        set_value("[x]\n", ("a", "b", "c"), "2")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        pytest.param("[a]\n# c\nb = [\n1,\n] # d\nx = 1\n", "[a]\n# c\nx = 1\n", id="lines"),
        pytest.param("a = { b = 1, c = 2 }\n", "a = { c = 2 }\n", id="inline"),
        pytest.param("[a]\nb.c = 1\nb.d = 2\ne = 1\n", "[a]\ne = 1\n", id="dotted"),
        pytest.param("[a.b]\nc = 1\n# d\n\n[e]\n", "# d\n\n[e]\n", id="section"),
        pytest.param("[e]\n", "[e]\n", id="not there"),
    ],
)
def test_drop(text: str, after: str) -> None:
    assert drop(text, ("a", "b")) == after


def test_drop_takes_one_table_of_an_array() -> None:
    text = "[[a]]\nb = 1\n\n[[a]]\nb = 2\n\n[[a]]\nb = 3\n"
    assert drop(text, ("a", 1)) == "[[a]]\nb = 1\n\n[[a]]\nb = 3\n"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        pytest.param('a = ["x", "y"] # z\n', 'a = ["y", "n"] # z\n', id="line"),
        pytest.param(
            'a = [\n    # first\n    "x", # x\n    # second\n    "y", # y\n]\n',
            'a = [\n    # first\n    # second\n    "y", # y\n    "n",\n]\n',
            id="lines",
        ),
        pytest.param('a = ["y", "x", "y"]\n', 'a = ["y", "n"]\n', id="twice"),
    ],
)
def test_set_array(text: str, after: str) -> None:
    before = ["y", "x", "y"] if text.count('"y"') > 1 else ["x", "y"]
    assert set_array(text, ("a",), before, ["y", "n"]) == after


def test_append_section() -> None:
    assert append_section("a = 1\n\n\n", "[b]\n") == "a = 1\n\n[b]\n\n\n"
    assert append_section("", "[b]") == "[b]\n"
