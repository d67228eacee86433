import csv
import io
import json

import pytest

from ingest.client.query import QueryError
from tests.ingest.commands.command_line import run

ROWS = [
    '{"page":"/","visits":12,"rate":0.5,"none":null,"bot":false,"tags":["a","ü"],"meta":{"k":1.5}}',
    '{"page":"/a,\\"b\\"\\n","visits":3,"rate":10,"none":null,"bot":true,"tags":[],"meta":{}}',
]


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the store answers."""
    answer = list(ROWS)
    monkeypatch.setattr("ingest.client.query.query", lambda settings, sql: answer)
    return answer


def test_without_a_terminal_rows_are_json(rows: list[str]) -> None:
    for arguments in ((), ("--json",), ("--format", "json")):
        result = run("query", *arguments, "SELECT 1")
        assert (result.exit_code, result.stdout.splitlines()) == (0, ROWS)


TABLE = [
    "page      visits  rate  none  bot    tags        meta",
    '/             12   0.5  NULL  false  ["a", "ü"]  {"k": 1.5}',
    r'/a,"b"\n       3    10  NULL  true   []          {}',
]


def test_on_a_terminal_rows_are_a_table(rows: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("query", "--format", "table", "SELECT 1").stdout.splitlines() == TABLE
    monkeypatch.setattr("ingest.commands.query.on_terminal", lambda stream: True)
    assert run("query", "SELECT 1").stdout.splitlines() == TABLE


def test_long_texts_are_cut_in_a_table_only(rows: list[str]) -> None:
    rows[:] = [json.dumps({"text": "x" * 500})]
    assert run("query", "--format", "table", "SELECT 1").stdout == f"text\n{'x' * 79}…\n"
    assert run("query", "--format", "csv", "SELECT 1").stdout == f"text\n{'x' * 500}\n"


def test_json_has_no_control_characters(rows: list[str]) -> None:
    """ClickHouse escapes those below a space only, and anybody can send the others."""
    rows[:] = ['{"name":"a\x85b\x9b31mü"}']
    assert run("query", "--json", "SELECT 1").stdout == '{"name":"a\\u0085b\\u009b31mü"}\n'


def test_csv(rows: list[str]) -> None:
    result = run("query", "--format", "csv", "SELECT 1")
    head, *lines = csv.reader(io.StringIO(result.stdout))
    assert head == ["page", "visits", "rate", "none", "bot", "tags", "meta"]
    assert lines[0] == ["/", "12", "0.5", "", "false", '["a", "ü"]', '{"k": 1.5}']
    assert lines[1] == ['/a,"b"\n', "3", "10", "", "true", "[]", "{}"]


def test_columns_of_one_name_and_long_numbers_are_kept(rows: list[str]) -> None:
    rows[:] = ['{"1":18446744073709551615,"1":123456789012345678.125}']
    result = run("query", "--format", "csv", "SELECT 1")
    assert result.stdout == "1,1\n18446744073709551615,123456789012345678.125\n"


@pytest.mark.parametrize("form", ["table", "csv"])
def test_no_rows(rows: list[str], form: str) -> None:
    rows.clear()
    result = run("query", "--format", form, "SELECT 1")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "There are no rows.\n")
    assert run("query", "--json", "SELECT 1").output == ""


def test_sql_may_begin_with_a_comment(rows: list[str]) -> None:
    assert run("query", "-- all\nSELECT 1", "--format", "csv").exit_code == 0


def test_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(settings: object, sql: str) -> list[str]:
        raise QueryError("there is no store")

    monkeypatch.setattr("ingest.client.query.query", refuse)
    result = run("query", "SELECT 1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: there is no store\n"


@pytest.mark.parametrize(
    "arguments", [("--format", "xml"), ("--json", "--format", "csv"), ()], ids=str
)
def test_mistakes(rows: list[str], arguments: tuple[str, ...]) -> None:
    sql = ("SELECT 1",) if arguments else ()
    assert run("query", *arguments, *sql).exit_code == 2
