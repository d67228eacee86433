import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.log_prefix import is_other_message, message_of
from ingest.past.past_event import BrokenLineError
from tests.ingest.past.lines import COMBINED

PREFIXES = [
    pytest.param("", id="none"),
    pytest.param("Nov 12 13:55:36 web1 nginx: ", id="syslog"),
    pytest.param("Nov  2 13:55:36 web1 nginx[4242]: ", id="syslog with a process"),
    pytest.param("<190>Nov 12 13:55:36 web1 nginx: ", id="syslog with a priority"),
    pytest.param("<190>Nov 12 13:55:36 nginx: ", id="nginx' syslog without a host"),
    pytest.param("Nov 12 13:55:36 10.0.0.5 httpd: ", id="syslog with an address"),
    pytest.param("2026-11-12T13:55:36.123456+00:00 web1 nginx: ", id="rsyslog"),
    pytest.param("<190>1 2026-11-12T13:55:36.123Z web1 nginx 42 - - ", id="RFC 5424"),
    pytest.param(
        '<190>1 2026-11-12T13:55:36Z web1 nginx 42 ID [a@1 b="c"][d@2 e="f"] ', id="RFC 5424 data"
    ),
    pytest.param("2026-11-12T13:55:36+0000 web1 nginx[42]: ", id="journald, short-iso"),
    pytest.param("Nov 12 13:55:36.123456 web1 nginx[42]: ", id="journald, short-precise"),
    pytest.param("Thu 2026-11-12 13:55:36 UTC web1 nginx[42]: ", id="journald, short-full"),
    pytest.param("1794491736.123456 web1 nginx[42]: ", id="journald, short-unix"),
    pytest.param("web-1  | ", id="Docker compose"),
    pytest.param("web-1  | 2026-11-12T13:55:36.123456789Z ", id="Docker compose with times"),
    pytest.param("2026-11-12T13:55:36.123456789Z ", id="Docker with times"),
    pytest.param("2026-11-12T13:55:36.123456789Z stdout F ", id="Kubernetes' files"),
    pytest.param("[pod/web-abc/nginx] ", id="Kubernetes with names"),
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("message", [COMBINED, f"example.com:443 {COMBINED}", '{"a": 1}'])
def test_prefixes(prefix: str, message: str) -> None:
    assert message_of(prefix + message) == message


@pytest.mark.parametrize(
    "wrapped",
    [
        {"log": f"{COMBINED}\n", "stream": "stdout", "time": "2026-11-12T13:55:36Z"},
        {"__REALTIME_TIMESTAMP": "1794491736123456", "MESSAGE": COMBINED},
        {"__REALTIME_TIMESTAMP": "1794491736123456", "MESSAGE": list(COMBINED.encode())},
    ],
    ids=["Docker", "journald", "journald in bytes"],
)
def test_objects_around_a_line(wrapped: dict[str, object]) -> None:
    assert message_of(json.dumps(wrapped, separators=(",", ":"))) == COMBINED


@pytest.mark.parametrize(
    "line",
    [
        '{"log":1}',
        '{"log":[300]}',
        '{"log":5000000000}',
        '{"log":',
        '{"log":["x"]}',
        '{"log":null}',
    ],
)
def test_objects_around_nothing(line: str) -> None:
    with pytest.raises(BrokenLineError, match="around no line"):
        message_of(line)


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("2026/11/12 13:55:36 [error] 29#29: *1 open() failed", True),
        ("web-1  | 2026/11/12 13:55:36 [notice] 1#1: start worker processes", True),
        ("[Thu Nov 12 13:55:36.123456 2026] [core:error] [pid 42] x", True),
        ("Nov 12 13:55:36 web1 httpd[42]: [core:error] [pid 42] [client 192.0.2.1:5] x", True),
        ("Nov 12 13:55:36 web1 httpd/a[42]: [:error] [pid 42:tid 1] [client 192.0.2.1] x", True),
        ("Nov 12 13:55:36 web1 httpd[42]: [error] [client 192.0.2.1] x", True),
        ("Nov 12 13:55:36 web1 app[42]: [error] x", False),
        ("web-1  | /docker-entrypoint.sh: Configuration complete; ready for start up", True),
        ("Nov 12 13:55:36 web1 systemd[1]: Reloaded nginx.service.", True),
        (COMBINED, False),
        (COMBINED[:60], False),
        ("Nov 12 13:55:36 web1 nginx: something", False),
        ('{"log":1}', False),
        ("", False),
    ],
)
def test_other_messages(line: str, other: bool) -> None:
    assert is_other_message(line) is other


@given(st.text() | st.text().map(lambda text: f"Nov 12 13:55:36 {text}"))
def test_any_text_has_a_message_or_is_broken(line: str) -> None:
    try:
        assert line.endswith(message_of(line)) or line.startswith("{")
    except BrokenLineError:
        assert line.startswith("{")
