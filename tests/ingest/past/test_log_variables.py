import pytest

from ingest.past.log_variables import Variable, is_pattern, pieces_of


@pytest.mark.parametrize(
    ("text", "pattern"), [("access-log", False), ("$status", True), ("%h", True)]
)
def test_what_is_a_pattern(text: str, pattern: bool) -> None:
    assert is_pattern(text) is pattern


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        pytest.param(
            '$remote_addr [$time_local] "${request}"',
            [
                Variable("$remote_addr", "address", 2),
                " [",
                Variable("$time_local", "time", 1),
                '] "',
                Variable("${request}", "request", 1),
                '"',
            ],
            id="nginx",
        ),
        pytest.param(
            r"%h %400,501>s %t \"%{User-Agent}i\" 100%%",
            [
                Variable("%h", "address", 1),
                " ",
                Variable("%400,501>s", "status", 2),
                " [",
                Variable("%t", "time", 1),
                '] "',
                Variable("%{User-Agent}i", "user_agent", 1),
                '" 100%',
            ],
            id="Apache",
        ),
        pytest.param(
            "%{%F %T}t.%{msec_frac}t %{sec}t %{begin:%F}t",
            [
                Variable("%{%F %T}t", "time", 1, "%Y-%m-%d %H:%M:%S"),
                ".",
                Variable("%{msec_frac}t"),
                " ",
                Variable("%{sec}t", "time", 1),
                " ",
                Variable("%{begin:%F}t", "time", 1, "%Y-%m-%d"),
            ],
            id="Apache's times",
        ),
        pytest.param(
            "%{c}a\t%{UNIQUE_ID}e\\t%^FU %V",
            [
                Variable("%{c}a", "address", 2),
                "\t",
                Variable("%{UNIQUE_ID}e"),
                "\t",
                Variable("%^FU"),
                " ",
                Variable("%V", "host", 2),
            ],
            id="what is passed over",
        ),
        pytest.param("", [], id="nothing"),
        pytest.param("nothing", ["nothing"], id="no variable"),
    ],
)
def test_pieces(text: str, pieces: list[str | Variable]) -> None:
    assert pieces_of(text) == pieces


def test_a_time_that_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        pieces_of("%{%Q}t")
