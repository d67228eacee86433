import errno
import json
import logging
import time
from typing import Any

import pytest
import structlog

from ingest.telemetry.logs import MASKED, configure, mask_sensitive, stack_of
from ingest.telemetry.request_id import CURRENT, RequestId


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    structlog.get_logger("ingest.test").info("flushed", rows=3, path="größe")
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "flushed",
        "level": "info",
        "logger": "ingest.test",
        "rows": 3,
        "path": "größe",
    }


@pytest.mark.parametrize("name", ["hypercorn.error", "quart.serving", "any.library"])
def test_libraries_are_logged_alike(capsys: pytest.CaptureFixture[str], name: str) -> None:
    logging.getLogger(name).addHandler(logging.NullHandler())
    configure("info", "json")
    logging.getLogger(name).warning("lost %s", "connection", extra={"port": 9000})
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["logger"], line["port"]) == (
        "lost connection",
        "warning",
        name,
        9000,
    )


def test_handlers_that_hypercorn_made_do_not_log_twice(capsys: pytest.CaptureFixture[str]) -> None:
    library = logging.getLogger("hypercorn.error")
    library.addHandler(logging.StreamHandler())
    library.propagate = False
    configure("info", "json")
    library.error("once")
    assert len(lines(capsys)) == 1


@pytest.mark.parametrize(
    ("level", "logged"),
    [("debug", 3), ("INFO", 2), ("warning", 1), ("critical", 0)],
)
def test_level(capsys: pytest.CaptureFixture[str], level: str, logged: int) -> None:
    configure(level, "json")
    log = structlog.get_logger()
    log.debug("a")
    log.info("b")
    logging.getLogger("library").warning("c")
    assert len(lines(capsys)) == logged


def test_unknown_level() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        configure("loud", "json")


def test_console_has_no_colours_unless_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "console")
    structlog.get_logger("here").info("flushed", rows=3)
    line = capsys.readouterr().err
    assert "flushed" in line
    assert "rows=3" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_tracebacks_show_no_local_variables_and_no_credentials(
    capsys: pytest.CaptureFixture[str], log_format: Any
) -> None:
    configure("info", log_format)
    url = "clickhouse://" + "user:hunter2@db/stats"
    hidden = "-".join(["local", "value"])
    try:
        raise ConnectionError(f"cannot reach {url}")
    except ConnectionError:
        structlog.get_logger().exception("no store")
        logging.getLogger("asynch").exception("no store")
    text = capsys.readouterr().err
    assert text.count("ConnectionError: cannot reach clickhouse://***@db/stats") == 2
    assert "hunter2" not in text
    assert hidden not in text


def test_configuring_again_replaces_what_was(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "console")
    configure("info", "json")
    structlog.get_logger().info("once")
    assert len(lines(capsys)) == 1


def test_warnings_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    logging.getLogger("py.warnings").warning("deprecated")
    assert lines(capsys)[0]["logger"] == "py.warnings"


@pytest.mark.parametrize(
    "key",
    [
        "ip",
        "client_ip",
        "Client-IP",
        "remote_addr",
        "x_forwarded_for",
        "user_agent",
        "User-Agent",
        "token",
        "admin_token",
        "salt",
        "previous_salt",
        "salts",
        "password",
        "Authorization",
        "set-cookie",
    ],
)
def test_sensitive_keys_are_masked(key: str) -> None:
    assert mask_sensitive(None, "info", {key: "x"}) == {key: MASKED}


@pytest.mark.parametrize("key", ["event", "path", "ip_type", "tokens_left", "description", "ship"])
def test_other_keys_are_not(key: str) -> None:
    assert mask_sensitive(None, "info", {key: "x"}) == {key: "x"}


def test_masks_inside_of_values() -> None:
    event = {"request": {"headers": [{"user-agent": "x", "host": "y"}]}, "number": 1}
    assert mask_sensitive(None, "info", event) == {
        "request": {"headers": [{"user-agent": MASKED, "host": "y"}]},
        "number": 1,
    }


def test_what_is_nested_too_deeply_is_not_shown() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    assert MASKED in str(mask_sensitive(None, "info", {"loop": loop}))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("clickhouse://user:pa/ss@db:9000/x", "clickhouse://***@db:9000/x"),
        ("https://example.com/path", "https://example.com/path"),
        ("mail@example.com", "mail@example.com"),
    ],
)
def test_credentials_in_urls(text: str, masked: str) -> None:
    assert mask_sensitive(None, "info", {"event": text}) == {"event": masked}


def test_a_stack_quotes_no_visitor() -> None:
    try:
        raise KeyError("203.0.113.9")
    except KeyError as error:
        stack = stack_of(error)
    assert "test_a_stack_quotes_no_visitor" in stack
    assert "KeyError: " not in stack


def test_the_request_that_is_being_handled_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    structlog.get_logger().info("before")
    name = RequestId(lambda: True)
    name.begin({"x-request-id": "abc"})
    token = CURRENT.set(name)
    structlog.get_logger().info("ours")
    logging.getLogger("any.library").warning("a library's")
    CURRENT.reset(token)
    structlog.get_logger().info("after")
    assert [line.get("request_id") for line in lines(capsys)] == [None, "abc", "abc", None]


def test_a_lack_of_files_for_connections_is_logged_once_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure("info", "json")
    configure("info", "json")
    logger = logging.getLogger("trio.serve_listeners")
    for now in (1000.0, 1000.1, 1059.9, 1060.0, 1060.1, 900.0):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        monkeypatch.setattr(time, "time_ns", lambda now=now: int(now * 1e9))
        try:
            raise OSError(errno.EMFILE, "Too many open files")
        except OSError:
            logger.error("accept returned %s", "EMFILE", exc_info=True)
    logged = lines(capsys)
    assert [line["event"] for line in logged] == ["accept returned EMFILE"] * 3
    assert not any("exception" in line for line in logged)
