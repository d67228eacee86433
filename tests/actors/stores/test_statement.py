import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.stores.statement import reading_statement
from actors.stores.store import QueryRefused


@pytest.mark.parametrize(
    ("sql", "statement"),
    [
        ("SELECT 1", "SELECT 1"),
        ("  select 1 ; ;\n", "select 1"),
        ("-- why\nSELECT 1 -- FORMAT CSV", "SELECT 1"),
        ("/* a; b */ SELECT /* ; */ 1 // ' ;", "SELECT /* ; */ 1"),
        ("#!x\nSELECT 1 # y", "SELECT 1"),
        ("(SELECT 1) UNION ALL (SELECT 2)", "(SELECT 1) UNION ALL (SELECT 2)"),
        ("WITH 1 AS x SELECT x", "WITH 1 AS x SELECT x"),
        ("FROM t SELECT a", "FROM t SELECT a"),
        ("SHOW TABLES", "SHOW TABLES"),
        ("DESC t", "DESC t"),
        ("DESCRIBE (SELECT 1)", "DESCRIBE (SELECT 1)"),
        ("EXISTS TABLE t", "EXISTS TABLE t"),
        ("EXPLAIN SELECT 1", "EXPLAIN SELECT 1"),
        ("SELECT 1 FORMAT JSON", "SELECT 1"),
        ("SELECT 1 format JSONEachRow;", "SELECT 1"),
        ("SELECT 1 FORMAT `CSV`", "SELECT 1"),
        ("SELECT 1 FORMAT TSV SETTINGS a = 1", "SELECT 1  SETTINGS a = 1"),
        ("SELECT 1 SETTINGS a = 1 FORMAT TSV", "SELECT 1 SETTINGS a = 1"),
        ("SELECT 1 AS format", "SELECT 1 AS format"),
        ("SELECT 1 AS format SETTINGS a = 1", "SELECT 1 AS format SETTINGS a = 1"),
        ("SELECT x AS format FROM t", "SELECT x AS format FROM t"),
        ("SELECT * FROM format t", "SELECT * FROM format t"),
        ("SELECT a.format x", "SELECT a.format x"),
        ("SELECT 'FORMAT CSV'", "SELECT 'FORMAT CSV'"),
        ("SELECT 'a;b', 'it''s', 'it\\'s;', `a;b`, \"c;d\"", None),
        ("SELECT $a$ ; $b$ ; $a$, $$;$$", None),
        ("SELECT ‘a;b’ AS “c;d”", None),
        ("SELECT 0x1F, 1e3, a-- b", "SELECT 0x1F, 1e3, a"),
        ("SELECT profile(1), file FROM t", None),
    ],
)
def test_statements_that_read(sql: str, statement: str | None) -> None:
    assert reading_statement(sql) == (sql if statement is None else statement)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "empty"),
        (" ; -- nothing\n", "empty"),
        ("INSERT INTO t VALUES (1)", "only statements that read"),
        ("-- SELECT\nDROP TABLE t", "only statements that read"),
        ("`SELECT` 1", "only statements that read"),
        ("KILL QUERY WHERE 1", "only statements that read"),
        ("USE other", "only statements that read"),
        ("SET readonly = 0", "only statements that read"),
        ("SYSTEM STOP MERGES", "only statements that read"),
        ("1 + 1", "only statements that read"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELECT 1;;DROP TABLE t;", "one statement"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "OUTFILE"),
        ("SELECT 1 into /* */ outfile '/tmp/x' FORMAT CSV", "OUTFILE"),
        ("SELECT 1 // ' \n INTO OUTFILE 'x' -- '", "OUTFILE"),
        ("SELECT file('/etc/passwd')", "file is not accepted"),
        ("SELECT `file` ('/etc/passwd')", "file"),
        ("SELECT catboostEvaluate('/x', 1)", "catboostEvaluate"),
        ("DESCRIBE url('http://127.0.0.1/')", "DESCRIBE of a table function"),
        ("DESC TABLE s3('http://127.0.0.1/')", "DESCRIBE of a table function"),
        ("SELECT 'a", "not closed"),
        ("SELECT `a", "not closed"),
        ('SELECT "a', "not closed"),
        ("SELECT 1 /* a", "not closed"),
        ("/* /* */ SELECT ' */ KILL QUERY WHERE 1 --'", "nested"),
        ("SELECT ‘a", "not closed"),
    ],
)
def test_statements_refused(sql: str, message: str) -> None:
    with pytest.raises(QueryRefused, match=message):
        reading_statement(sql)


@given(st.text(alphabet="SELECT 1';`\"/*-\n\\$a(‘’", max_size=60))
def test_never_anything_but_a_refusal(text: str) -> None:
    try:
        statement = reading_statement(f"SELECT {text}")
    except QueryRefused:
        return
    assert statement.startswith("SELECT")
    assert reading_statement(statement).startswith("SELECT")
