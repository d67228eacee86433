import ssl
from pathlib import Path

import pytest

from actors.stores.store import StoreMisconfigured
from actors.stores.unreachable import check_authorities, describe_failure
from actors.stores.url import ServerAddress

PLAIN = ServerAddress("h", 9000)
TLS = ServerAddress("h", 9440, secure=True)


@pytest.mark.parametrize(
    ("error", "address", "greeted", "told"),
    [
        (ConnectionRefusedError(111, "refused"), PLAIN, False, "[Errno 111] refused"),
        (ConnectionResetError(104, "reset"), PLAIN, True, "[Errno 104] reset"),
        (
            ConnectionResetError(104, "reset"),
            PLAIN,
            False,
            "[Errno 104] reset: h:9000 hung up at the greeting "
            "(does it expect TLS, which clickhouses:// speaks?)",
        ),
        (
            EOFError(),
            TLS,
            False,
            "EOFError: h:9440 hung up at the greeting (does it expect ClickHouse with TLS?)",
        ),
        (
            ssl.SSLError(1, "[SSL] x"),
            TLS,
            False,
            "TLS with h:9440 failed: [ssl] x (is it the server's port for TLS?)",
        ),
        (ValueError("odd"), PLAIN, False, "odd"),
    ],
)
def test_description(error: Exception, address: ServerAddress, greeted: bool, told: str) -> None:
    assert describe_failure(error, address, greeted=greeted) == told


@pytest.mark.parametrize(
    "address",
    [
        PLAIN,
        TLS,
        ServerAddress("h", ca_certs="/nowhere"),
        ServerAddress("h", secure=True, verify=False, ca_certs="/nowhere"),
    ],
)
def test_authorities_that_are_not_asked(address: ServerAddress) -> None:
    check_authorities(address)


def test_authorities_that_are_not_there(tmp_path: Path) -> None:
    address = ServerAddress("h", secure=True, ca_certs=str(tmp_path / "none"))
    with pytest.raises(StoreMisconfigured, match="ca_certs: No such file or directory: /"):
        check_authorities(address)
