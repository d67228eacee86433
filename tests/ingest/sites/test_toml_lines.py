import contextlib
import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.sites.toml_lines import KeyPath, key_lines, key_spans

DOCUMENT = '''# comment
top = 1
"quoted \\u00e9" = 2
'literal' = 3
dotted.key . "and more" = 4

[table]
text = """
[no.table]
key = "still" text \\""""""
raw = \'\'\'
[no.table]\'\'\'\'
array = [ # comment, with ] and "
  1,
  [2, "]"], # more

  { a = 1, b = [3] },
]
date = 1979-05-27 07:32:00

[[list]]
a = 1
[list.sub]
b = 2
[[list.sub.deep]]
c = 3
[[list]]
[list.sub]
b = 4
[[list.sub.deep]]
[[list.sub.deep]]
c = 5
[a."b.c".d]
'''

EXPECTED: dict[KeyPath, int] = {
    ("top",): 2,
    ("quoted é",): 3,
    ("literal",): 4,
    ("dotted",): 5,
    ("dotted", "key"): 5,
    ("dotted", "key", "and more"): 5,
    ("table",): 7,
    ("table", "text"): 8,
    ("table", "raw"): 11,
    ("table", "array"): 13,
    ("table", "array", 0): 14,
    ("table", "array", 1): 15,
    ("table", "array", 1, 0): 15,
    ("table", "array", 1, 1): 15,
    ("table", "array", 2): 17,
    ("table", "array", 2, "a"): 17,
    ("table", "array", 2, "b"): 17,
    ("table", "array", 2, "b", 0): 17,
    ("table", "date"): 19,
    ("list",): 21,
    ("list", 0): 21,
    ("list", 0, "a"): 22,
    ("list", 0, "sub"): 23,
    ("list", 0, "sub", "b"): 24,
    ("list", 0, "sub", "deep"): 25,
    ("list", 0, "sub", "deep", 0): 25,
    ("list", 0, "sub", "deep", 0, "c"): 26,
    ("list", 1): 27,
    ("list", 1, "sub"): 28,
    ("list", 1, "sub", "b"): 29,
    ("list", 1, "sub", "deep"): 30,
    ("list", 1, "sub", "deep", 0): 30,
    ("list", 1, "sub", "deep", 1): 31,
    ("list", 1, "sub", "deep", 1, "c"): 32,
    ("a",): 33,
    ("a", "b.c"): 33,
    ("a", "b.c", "d"): 33,
}


def paths(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    if not isinstance(value, dict | list):
        return {path}
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return {path}.union(*(paths(held, (*path, key)) for key, held in inner))


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_every_line(newline: str) -> None:
    assert key_lines(DOCUMENT.replace("\n", newline)) == EXPECTED


def test_the_expected_keys_are_those_that_the_reader_finds() -> None:
    assert paths(tomllib.loads(DOCUMENT)) == {(), *EXPECTED}


def test_an_empty_document() -> None:
    assert key_lines("") == {}


FRAGMENTS = st.sampled_from(
    [
        *("\n", " ", "\t", "\r\n", "=", ".", ",", "[", "]", "[[", "]]", "{", "}", "#", "a", "b"),
        *("a = 1\n", "[a]\n", "[[b]]\n", "[b.c]\n", "c.d = 2\n", "e = { f = 1, g.h = 2 }\n"),
        *('"', "'", '"""', "'''", "\\", '\\"', '"]"', "'}'", '"#"', "1", "1.5", "true", "é"),
        *("[1, 2]", "[\n1,\n# c\n]", "1979-05-27 07:32:00", "'''\n'''", '"""\n\\""""', '""', "k ="),
    ]
)


@given(st.lists(FRAGMENTS, max_size=25).map("".join))
@example('a = """"x"""""')
@example("a = ''''x'''''")
@example('a = ""\nb = 1')
def test_whatever_the_reader_takes_is_located(document: str) -> None:
    try:
        found = tomllib.loads(document)
    except ValueError:
        return
    lines = key_lines(document)
    assert paths(found) == {(), *lines}
    assert all(1 <= line <= document.count("\n") + 1 for line in lines.values())


@given(st.text() | st.lists(FRAGMENTS, max_size=25).map("".join))
def test_what_the_reader_refuses_does_no_harm(document: str) -> None:
    with contextlib.suppress(ValueError, RecursionError):
        assert all(line >= 1 for line in key_lines(document).values())


@pytest.mark.parametrize("document", ["=", "a", "a = ", "a = [", "a = {", "a = { b", "[a", "[["])
def test_what_the_reader_refuses_ends(document: str) -> None:
    with contextlib.suppress(ValueError):
        assert key_lines(document) == {("a",): 1}


def test_places() -> None:
    text = 'a.b = 1  # c\r\n[[t]]\r\nu = { v = [ "x", 2 ] }\n[t.w]\nd = """\n"""'
    shown = {
        path: (text[span.start : span.end], text[span.value : span.end])
        for path, span in key_spans(text).items()
    }
    assert shown == {
        ("a", "b"): ("a.b = 1", "1"),
        ("t", 0): ("[[t]]", ""),
        ("t", 0, "u"): ('u = { v = [ "x", 2 ] }', '{ v = [ "x", 2 ] }'),
        ("t", 0, "u", "v"): ('v = [ "x", 2 ]', '[ "x", 2 ]'),
        ("t", 0, "u", "v", 0): ('"x"', '"x"'),
        ("t", 0, "u", "v", 1): ("2", "2"),
        ("t", 0, "w"): ("[t.w]", ""),
        ("t", 0, "w", "d"): ('d = """\n"""', '"""\n"""'),
    }
    assert [path for path, span in key_spans(text).items() if span.header] == [
        ("t", 0),
        ("t", 0, "w"),
    ]
