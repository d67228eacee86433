import os
import resource
import socket

import pytest

from ingest.check.machine import RELEASED, check_clock, check_files, check_port, listener_on
from ingest.check.report import Level
from tests.end_to_end.clickhouse_server import free_port


def test_a_free_port() -> None:
    (found,) = check_port("127.0.0.1", free_port(), None)
    assert found.level is Level.OK
    assert "is free" in found.text


def test_any_port() -> None:
    (found,) = check_port("127.0.0.1", 0, None)
    assert found.level is Level.OK


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert listener_on(port) is not None
        (found,) = check_port(host, port, None)
        assert found.level is Level.PROBLEM
        assert f"(process {os.getpid()})" in found.text
        (found,) = check_port(host, port, os.getpid())
        assert found.level is Level.OK
        (found,) = check_port(host, port, os.getpid() + 1)
        assert found.level is Level.PROBLEM


def test_nobody_listens() -> None:
    assert listener_on(free_port()) is None


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours(host: str) -> None:
    (found,) = check_port(host, free_port(), None)
    assert (found.level, bool(found.advice)) == (Level.PROBLEM, True)


@pytest.mark.parametrize(
    ("allowed", "level", "text"),
    [
        (128, Level.WARNING, "at most 16 connections at a time, since only 128 open files"),
        (1024, Level.WARNING, "at most 512 connections at a time, since 1024 open files"),
        (8192, Level.OK, "at most 4096 connections at a time"),
    ],
)
def test_open_files(monkeypatch: pytest.MonkeyPatch, allowed: int, level: Level, text: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (allowed, allowed))
    (found,) = check_files()
    assert found.level is level
    assert text in found.text
    assert ("inserts may fail" in found.text) == ("only" in text)


@pytest.mark.parametrize(
    ("now", "level"), [(0, Level.PROBLEM), (RELEASED - 1, Level.PROBLEM), (RELEASED, Level.OK)]
)
def test_the_clock(now: int, level: Level) -> None:
    (found,) = check_clock(now)
    assert found.level is level
