import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.stores.statement import QUERY_LENGTH, reading_statement
from actors.stores.store import QueryRefused

TABLE_FUNCTIONS = ("eval", "file", "format", "generateSeries", "numbers", "s3", "url", "view")


@pytest.mark.parametrize(
    ("sql", "statement"),
    [
        ("SELECT 1", "SELECT 1"),
        ("  select 1 ; ;\n", "select 1"),
        ("-- why /* this\nSELECT 1 -- FORMAT CSV", "SELECT 1"),
        ("/* a; b */ SELECT /* ; */ 1 // ' ;", "SELECT /* ; */ 1"),
        ("(SELECT 1) UNION ALL (SELECT 2)", "(SELECT 1) UNION ALL (SELECT 2)"),
        ("WITH 1 AS x SELECT x", "WITH 1 AS x SELECT x"),
        ("FROM t SELECT a", "FROM t SELECT a"),
        ("SHOW TABLES", "SHOW TABLES"),
        ("DESC t", "DESC t"),
        ("DESCRIBE (SELECT 1)", "DESCRIBE (SELECT 1)"),
        ("DESCRIBE numbers(3)", "DESCRIBE numbers(3)"),
        ("EXISTS TABLE t", "EXISTS TABLE t"),
        ("EXPLAIN SELECT 1", "EXPLAIN SELECT 1"),
        ("SELECT 1 FORMAT JSON", "SELECT 1"),
        ("SELECT 1 format JSONEachRow;", "SELECT 1"),
        ("SELECT 1 FORMAT `CSV`", "SELECT 1"),
        ("SELECT 1 AS format", "SELECT 1 AS format"),
        ("SELECT x AS format FROM t", "SELECT x AS format FROM t"),
        ("SELECT * FROM format t", "SELECT * FROM format t"),
        ("SELECT a.format x", "SELECT a.format x"),
        ("SELECT format('{}', 1)", "SELECT format('{}', 1)"),
        ("SELECT 'FORMAT CSV'", "SELECT 'FORMAT CSV'"),
        ("SELECT 'a;b', 'it''s', 'it\\'s;', `a;b`, \"c;d\"", None),
        ("SELECT 0x1F, 1e3, a-- b", "SELECT 0x1F, 1e3, a"),
        ("SELECT profile(1), file, url, s3.a FROM t", None),
        ("SELECT * FROM generateseries(1, 2), NUMBERS (3), view(SELECT 1)", None),
        ("SELECT count() FROM e WHERE pathname IN ('/settings', 'url(1)')", None),
        ('SELECT "settings" FROM system."settings" /* SETTINGS a = 1 */ WHERE 1', None),
        ("SELECT {'a': [1, -2.5]}, (1 + 2) * 3 % 4 ^ 5, x -> ~x, a::Int8 <=> @b != 1", None),
    ],
)
def test_statements_that_read(sql: str, statement: str | None) -> None:
    assert reading_statement(sql, TABLE_FUNCTIONS) == (sql if statement is None else statement)


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
        ("SELECT " + "1" * QUERY_LENGTH, f"at most {QUERY_LENGTH} characters"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "OUTFILE"),
        ("SELECT 1 into /* */ outfile '/tmp/x' FORMAT CSV", "OUTFILE"),
        ("SELECT 1 // ' \n INTO OUTFILE 'x' -- '", "OUTFILE"),
        # Settings, at any depth.
        ("SELECT 1 SETTINGS a = 1", "SETTINGS are not accepted"),
        ("SELECT 1 FORMAT TSV SETTINGS a = 1", "SETTINGS are not accepted"),
        ("SELECT * FROM (SELECT 1 sEttings/**/readonly=0)", "SETTINGS are not accepted"),
        ("SELECT (SELECT 1 SETTINGS readonly = 0)", "SETTINGS are not accepted"),
        ("WITH x AS (SELECT 1\nSETTINGS\nreadonly = 0) SELECT * FROM x", "SETTINGS are not"),
        ("SELECT 1 UNION ALL SELECT 2 SETTINGS readonly = 0", "SETTINGS are not accepted"),
        ("SELECT 'a'SETTINGS readonly = 0", "SETTINGS are not accepted"),
        ("SELECT 1.SETTINGS readonly = 0", "SETTINGS are not accepted"),
        ("SELECT 1 -- '\n SETTINGS readonly = 0 -- '", "SETTINGS are not accepted"),
        ("SELECT '\\\\' SETTINGS readonly = 0 -- '", "SETTINGS are not accepted"),
        ("SELECT '''' SETTINGS readonly = 0 -- '", "SETTINGS are not accepted"),
        # Table functions, and functions that reach out.
        ("SELECT * FROM url('http://127.0.0.1/')", "url is not accepted"),
        ("SELECT * FROM URL\n/* a */ -- b\n('http://127.0.0.1/')", "URL is not accepted"),
        ("SELECT * FROM `url` ('http://127.0.0.1/')", "not accepted in quotes"),
        ('SELECT * FROM "ur\\x6c"(1)', "not accepted in quotes"),
        ('SELECT * FROM "u""rl"(1)', "not accepted in quotes"),
        ("SELECT 1 IN url('http://127.0.0.1/')", "url is not accepted"),
        ("SELECT 1 FROM a JOIN s3('http://127.0.0.1/') ON 1", "s3 is not accepted"),
        ("SELECT 1 FROM a, s3('http://127.0.0.1/')", "s3 is not accepted"),
        ("SELECT * FROM eval('SELECT 1')", "eval is not accepted"),
        ("DESCRIBE url('http://127.0.0.1/')", "url is not accepted"),
        ("DESC TABLE s3('http://127.0.0.1/')", "s3 is not accepted"),
        ("EXPLAIN TABLE OVERRIDE url('http://127.0.0.1/')", "url is not accepted"),
        ("SELECT file('/etc/passwd')", "file is not accepted"),
        ("SELECT catboostEvaluate('/x', 1)", "catboostEvaluate"),
        ("SELECT AIGenerate('x')", "AIGenerate"),
        # Where a quote or a comment might be read in two ways.
        ("SELECT 'a", "not closed"),
        ("SELECT `a", "not closed"),
        ('SELECT "a', "not closed"),
        ("SELECT 1 /* a", "not closed"),
        ("/* /* */ SELECT ' */ KILL QUERY WHERE 1 --'", "nested"),
        ("SELECT ‘a’", "‘' is not accepted outside quotes"),
        ("SELECT $a$ ; $a$", r"'\$' is not accepted"),
        ("SELECT 1 AS a$b$, x SETTINGS readonly = 0 AS b$b$", r"'\$' is not accepted"),
        ("SELECT 1 # y", "'#' is not accepted"),
        ("SELECT * FROM ur\\u006c(1)", r"'\\\\' is not accepted"),
        ("SELECT * FROM url\u200b(1)", "u200b' is not accepted"),
        ("SELECT * FROM url\xa0(1)", "xa0' is not accepted"),
        ("SELECT * FROM ｕｒｌ(1)", "ｕ' is not accepted"),
        ("SELECT 1 \0 FROM t", "x00' is not accepted"),
    ],
)
def test_statements_refused(sql: str, message: str) -> None:
    with pytest.raises(QueryRefused, match=message):
        reading_statement(sql, TABLE_FUNCTIONS)


@given(st.text(alphabet="SELECT 1';`\"/*-\n\\$a(‘’", max_size=60))
def test_never_anything_but_a_refusal(text: str) -> None:
    try:
        statement = reading_statement(f"SELECT {text}", TABLE_FUNCTIONS)
    except QueryRefused:
        return
    assert statement.startswith("SELECT")
    assert reading_statement(statement, TABLE_FUNCTIONS).startswith("SELECT")


@given(
    st.text(alphabet="a1 \n'`\"/*-.\\(", max_size=20), st.text(alphabet=" \n'`\"/*-\\", max_size=9)
)
def test_settings_hide_only_in_quotes_and_comments(before: str, after: str) -> None:
    """Another reading of the same rules: what is not between quotes or in a comment is refused."""
    sql = f"SELECT {before} SETTINGS {after}"
    state, index = "", 0
    while index < len(sql) and not (state == "" and sql.startswith("SETTINGS", index)):
        two = sql[index : index + 2]
        if state in ("'", '"', "`"):
            index += 2 if two[0] == "\\" or two == state * 2 else 1
            state = "" if two[0] == state and two != state * 2 else state
        elif state:
            index += 2 if two == state == "*/" else 1
            state = "" if two == state == "*/" or two[0] == state else state
        else:
            state = {"--": "\n", "//": "\n", "/*": "*/"}.get(two, "")
            index += 2 if state else 1
            if not state and two[0] in "'\"`":
                state = two[0]
    if index < len(sql):
        with pytest.raises(QueryRefused):
            reading_statement(sql, TABLE_FUNCTIONS)
