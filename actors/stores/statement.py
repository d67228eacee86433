"""Parses a user's SQL far enough to allow only a single read-only statement.

The stores also run it in ClickHouse's read-only mode. That mode still allows INTO OUTFILE, KILL
QUERY, USE, and functions that read the machine's files. A subquery with its own settings can even
leave that mode.

Outside quotes and comments, only those characters are allowed that every version of ClickHouse
reads in the same way. So no version can take for a statement what is checked here as quoted text.
"""

import re
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import NamedTuple

from actors.stores.store import QueryRefused

TABLE_FUNCTIONS_QUERY = "SELECT name FROM system.table_functions"
"""Asks a store for the names of its table functions."""

QUERY_LENGTH = 262_144
"""Characters of a query: ClickHouse's own limit in bytes, unless a server sets `max_query_size`."""

_READING = frozenset(
    {"SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "("}
)

_TABLE_FUNCTIONS = frozenset(
    {
        "format",  # a function of this name makes strings
        "generate_series",
        "generateseries",
        "numbers",
        "numbers_mt",
        "values",
        "view",
        "zeros",
        "zeros_mt",
    }
)
"""Those that read nothing but their arguments."""

_FUNCTIONS_REACHING_OUT = frozenset(
    {
        "aiclassify",
        "aiembed",
        "aiextract",
        "aifilter",
        "aigenerate",
        "airedact",
        "aisimilarity",
        "aitranslate",
        "catboostevaluate",
        "file",
        "generateserialid",
        "hascolumnintable",
        "reversednsquery",
    }
)
"""Functions on values that read files, ask other hosts, or change what Keeper holds."""

_TOKEN = re.compile(
    r"""
    (?P<blank> [ \t\r\n\f\v]+ | --[^\n]* | //[^\n]* | /\*.*?\*/ )
  | (?P<string> '(?:[^'\\]|\\.|'')*' )
  | (?P<quoted> `(?:[^`\\]|\\.|``)*` | "(?:[^"\\]|\\.|"")*" )
  | (?P<word> [A-Za-z_][A-Za-z0-9_]* )
  | (?P<number> [0-9][A-Za-z0-9_]* )
  | (?P<open> /\* | ['"`] )
  | (?P<sign> [-!%&()*+,./:;<=>?@\[\]^{|}~] )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int

    @property
    def keyword(self) -> str:
        return self.text.upper() if self.kind in ("word", "sign") else ""


def reading_statement(sql: str, table_functions: Collection[str]) -> str:
    """The statement without the comments around it, its semicolon and its FORMAT clause.

    Args:
        sql: What the user has written.
        table_functions: The names of all that the store knows, as `TABLE_FUNCTIONS_QUERY` gives
            them.

    Raises:
        QueryRefused: It is not read-only, or it is more than one statement.
    """
    if len(sql) > QUERY_LENGTH:
        raise QueryRefused(f"a query has at most {QUERY_LENGTH} characters")
    # Ensures that nothing writes a file, even if ClickHouse parses quotes or comments differently.
    if re.search(r"\boutfile\b", sql, re.IGNORECASE):
        raise QueryRefused("INTO OUTFILE is not accepted: the result goes to the caller")
    tokens = list(_tokens(sql))
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    if not tokens:
        raise QueryRefused("the query is empty")
    if tokens[0].keyword not in _READING:
        raise QueryRefused("only statements that read are accepted: SELECT, SHOW, DESCRIBE, …")
    _refuse_side_effects(tokens, {name.lower() for name in table_functions} - _TABLE_FUNCTIONS)
    cut = _format_clause(tokens)
    if cut is None:
        return sql[tokens[0].start : tokens[-1].end]
    head, tail = cut
    return f"{sql[tokens[0].start : head]}{sql[tail : tokens[-1].end]}".rstrip()


def _tokens(sql: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or ""
        # ClickHouse allows nested comments, so the first `*/` may not end the comment.
        nested = match[0].startswith("/*") and match[0].find("/*", 2) > 0
        if kind == "open" or nested:
            raise QueryRefused("a quote or a comment is not closed, or comments are nested")
        if kind == "other":
            raise QueryRefused(f"{match[0]!r} is not accepted outside quotes")
        if kind != "blank":
            yield _Token(kind, match[0], match.start(), match.end())


def _refuse_side_effects(tokens: list[_Token], refused: Collection[str]) -> None:
    for token in tokens:
        if token.text == ";":
            raise QueryRefused("one statement at a time")
        if token.keyword == "SETTINGS":
            raise QueryRefused(
                'SETTINGS are not accepted: limits hold for every query; as a name, quote it: "…"'
            )
    for token, following in pairwise(tokens):
        if following.text != "(":
            continue
        # A name in quotes may be written in many ways.
        if token.kind == "quoted":
            raise QueryRefused(f"{token.text} before a bracket is not accepted in quotes")
        name = token.text.lower() if token.kind == "word" else ""
        if name in refused or name in _FUNCTIONS_REACHING_OUT:
            raise QueryRefused(f"{token.text} is not accepted: a query reads tables")


def _format_clause(tokens: list[_Token]) -> tuple[int, int] | None:
    """The range of the last FORMAT clause; None without one."""
    if len(tokens) < 3 or tokens[-2].keyword != "FORMAT":
        return None
    if tokens[-1].kind not in ("word", "quoted"):
        return None
    if tokens[-3].keyword in {"AS", "FROM", "JOIN", ".", ","}:
        return None
    return tokens[-2].start, tokens[-1].end
