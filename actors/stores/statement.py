"""A user's SQL, read just far enough to let nothing but one reading statement through.

The stores run it in ClickHouse's read-only mode as well; that mode lets a few things pass that are
no reading of tables: INTO OUTFILE, KILL QUERY, USE, and functions that read the machine's files.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from actors.stores.store import QueryRefused

_READING = frozenset(
    {"SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "("}
)
_TABLE_FUNCTIONS_REFUSED_FOR = frozenset({"DESCRIBE", "DESC"})
_FUNCTIONS_ON_FILES = frozenset({"file", "catboostevaluate"})

_UNREADABLE = frozenset({"'", '"', "`", "‘", "“", "/*", "\\"})

_TOKEN = re.compile(
    r"""
    (?P<blank> \s+ | --[^\n]* | //[^\n]* | \#[!\ ][^\n]* | /\*.*?\*/ )
  | (?P<string> '(?:[^'\\]|\\.|'')*' | ‘[^’]*’ | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
  | (?P<quoted> `(?:[^`\\]|\\.|``)*` | "(?:[^"\\]|\\.|"")*" | “[^”]*” )
  | (?P<word> [^\W\d]\w* )
  | (?P<number> \d\w* )
  | (?P<sign> /\* | . )
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

    @property
    def name(self) -> str:
        """The identifier that it may be, without quotes."""
        if self.kind == "quoted":
            return self.text[1:-1].lower()
        return self.text.lower() if self.kind == "word" else ""


def reading_statement(sql: str) -> str:
    """The statement without the comments around it, its semicolon and its FORMAT clause.

    Raises:
        QueryRefused: It does not only read, or it is more than one statement.
    """
    # Even if ClickHouse should read a quote or a comment differently: nothing writes a file.
    if re.search(r"\boutfile\b", sql, re.IGNORECASE):
        raise QueryRefused("INTO OUTFILE is not accepted: the result goes to the caller")
    tokens = list(_tokens(sql))
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    if not tokens:
        raise QueryRefused("the query is empty")
    first = tokens[0].keyword
    if first not in _READING:
        raise QueryRefused("only statements that read are accepted: SELECT, SHOW, DESCRIBE, …")
    _refuse_side_effects(tokens, described=first in _TABLE_FUNCTIONS_REFUSED_FOR)
    cut = _format_clause(tokens)
    if cut is None:
        return sql[tokens[0].start : tokens[-1].end]
    head, tail = cut
    return f"{sql[tokens[0].start : head]}{sql[tail : tokens[-1].end]}".rstrip()


def _tokens(sql: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(sql):
        # The group of a heredoc's tag closes before the string around it, so it is never the last.
        kind = match.lastgroup or ""
        # ClickHouse lets comments nest: what a naive reading takes for their end is not.
        if match[0] in _UNREADABLE or (kind == "blank" and match[0].find("/*", 2) > 0):
            raise QueryRefused("a quote or a comment is not closed, or comments are nested")
        if kind != "blank":
            yield _Token(kind, match[0], match.start(), match.end())


def _refuse_side_effects(tokens: list[_Token], *, described: bool) -> None:
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.text == ";":
            raise QueryRefused("one statement at a time")
        if following is None:
            return
        if following.text == "(" and token.name in _FUNCTIONS_ON_FILES:
            raise QueryRefused(f"{token.text} is not accepted: a query reads tables")
        if described and token.name and following.text == "(" and index:
            raise QueryRefused("DESCRIBE of a table function is not accepted")


def _format_clause(tokens: list[_Token]) -> tuple[int, int] | None:
    """Where the last FORMAT clause begins and ends; None without one."""
    for index in range(len(tokens) - 2, 0, -1):
        token, after = tokens[index], tokens[index + 1]
        ends = index + 2 == len(tokens) or tokens[index + 2].keyword == "SETTINGS"
        if (
            token.keyword == "FORMAT"
            and after.kind in ("word", "quoted")
            and after.keyword != "SETTINGS"
            and ends
            and tokens[index - 1].keyword not in {"AS", "FROM", "JOIN", ".", ","}
        ):
            return token.start, after.end
    return None
