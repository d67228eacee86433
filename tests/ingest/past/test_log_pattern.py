import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.log_pattern import parse_pattern
from ingest.past.past_event import BrokenLineError

NGINX = '$remote_addr - [$time_local] "$request" $status "$http_user_agent"'


@pytest.mark.parametrize(
    ("pattern", "line", "cells"),
    [
        pytest.param(
            NGINX,
            'a - [b] "c d" e "f"',
            ["a", "b", "c d", "e", "f"],
            id="as it is",
        ),
        pytest.param(
            NGINX,
            r'a - [b] "c \" d" e "\\"',
            ["a", "b", r"c \" d", "e", r"\\"],
            id="escaped quotes",
        ),
        pytest.param(
            "$status $time_local $scheme://$host$request_uri $remote_addr",
            "a b c://d/e f",
            ["a", "b", "c", "d", "/e", "f"],
            id="host and path",
        ),
        pytest.param(
            "<%h> %t %m %U%q %H %s",
            "<a> [b] c d?e f g",
            ["a", "b", "c", "d?e", "f", "g"],
            id="query",
        ),
        pytest.param(
            "$remote_addr $time_local $uri$is_args$args $status", "a b c d", list("abcd"), id="args"
        ),
    ],
)
def test_lines_are_cut(pattern: str, line: str, cells: list[str]) -> None:
    assert parse_pattern(pattern).cut(line) == cells


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "has no ' - \\['"),
        ("a [b]", "has no ' - \\['"),
        ('a - [b] "c', "has no '\" ' behind \\$request"),
        ('a - [b] "c\\" d', "has no '\" ' behind \\$request"),
        ('a - [b] "c" d "e" f', "goes on behind"),
    ],
)
def test_broken(line: str, problem: str) -> None:
    with pytest.raises(BrokenLineError, match=problem):
        parse_pattern(NGINX).cut(line)


def test_a_line_that_begins_in_another_way() -> None:
    with pytest.raises(BrokenLineError, match="does not begin"):
        parse_pattern("<$remote_addr> $time_local $request $status").cut("a b c d")


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("", "has no time"),
        ("$remote_addr $status $request", "has no time"),
        ("$time_local $status $request", "has no address or forwarded"),
        ("$time_local $remote_addr $request", "has no status"),
        ("$time_local $remote_addr $status", "has no path or request"),
        ("$remote_addr$time_local $status $request", "nothing is between \\$remote_addr and"),
    ],
)
def test_patterns_that_are_none(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_pattern(pattern)


@given(st.text(max_size=100))
def test_any_pattern_is_one_or_is_refused(text: str) -> None:
    try:
        pattern = parse_pattern(text)
    except ValueError:
        return
    assert pattern.parts


@given(st.lists(st.text(st.characters(exclude_characters='"\\')), min_size=5, max_size=5))
def test_values_come_back(values: list[str]) -> None:
    line = '"{}" "{}" "{}" "{}" "{}"'.format(*values)
    pattern = '"$remote_addr" "$time_local" "$request" "$status" "$args"'
    assert parse_pattern(pattern).cut(line) == values
