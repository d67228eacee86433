"""A real ClickHouse for tests: the server in chDB's library for Node, in a separate process.

`python -m tests.end_to_end.clickhouse_server start|stop` runs one manually; `ClickHouseServer` is a
context manager for tests. The server has one user without a password and listens only on loopback.
"""

import argparse
import ctypes
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from http.client import HTTPException
from pathlib import Path
from typing import Final, Self

from tests.end_to_end.npm import Package, unpack
from tests.waiting import WAIT_SECONDS

PACKAGE = Package(
    "@chdb/lib-linux-x64-gnu",
    "26.7.3-stable.1",
    "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
)
ROOT = Path(__file__).parents[2]

# The server runs as long as its last statement.
_SERVE = (
    "SYSTEM START LISTEN QUERIES ALL; SELECT sleepEachRow(3) FROM numbers(1000000) "
    "SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0 FORMAT Null"
)


_USERS = """<clickhouse>
<profiles><default/></profiles><quotas><default/></quotas>
<users><default><password/><networks><ip>::/0</ip></networks></default>{}</users>
</clickhouse>"""


class ClickHouseServer:
    """A server on free ports of the loopback interface, with its data in one directory.

    Data and ports stay the same after `kill` and `start`. This build of the server sometimes aborts
    when a connection is reset, which the system does if a client leaves bytes unread. The server is
    then restarted, and its clients see an outage of one or two seconds.
    """

    def __init__(
        self, directory: Path, *, tcp_port: int = 0, http_port: int = 0, users: str = ""
    ) -> None:
        """Prepare the server without starting it.

        Args:
            directory: Directory for its data and log; created if necessary.
            tcp_port: Port of the native protocol; 0 for any free port.
            http_port: Port for HTTP; 0 for any free port.
            users: Users in addition to the default one, as in the element `users` of a server's
                `users.xml`.
        """
        self.users = users
        self.directory = directory
        self.tcp_port = tcp_port or free_port()
        self.http_port = http_port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self.kill()

    @property
    def _log(self) -> Path:
        return self.directory / "server.log"

    @property
    def pid(self) -> int:
        """Id of the server's process, which must be running."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def url(self, database: str = "default") -> str:
        """Return the value for `CLICKHOUSE_URL`."""
        return f"clickhouse://default@127.0.0.1:{self.tcp_port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            RuntimeError: The server exited, or did not answer in time. The message has the end of
                its log.
        """
        with self._changing:
            process = self._launch()
        deadline = time.monotonic() + WAIT_SECONDS
        while not self.answers():
            exited = process.poll() not in (None, -signal.SIGABRT)
            if exited or time.monotonic() > deadline:
                self.kill()
                tail = self._log.read_text("utf-8", "replace")[-2000:]
                raise RuntimeError(f"the test server did not start:\n{tail}")
            time.sleep(0.05)

    def _launch(self) -> subprocess.Popen[bytes]:
        library = fetch_library()
        data = (self.directory / "data").resolve()
        data.mkdir(parents=True, exist_ok=True)
        users = [str(self._write_users())] if self.users else []
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.end_to_end.clickhouse_server", "serve"),
                    *(str(library), str(data), str(self.tcp_port), str(self.http_port)),
                    *users,
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "TZ": "UTC"},
                start_new_session=True,
            )
        threading.Thread(target=self._keep, args=(self._process,), daemon=True).start()
        return self._process

    def _keep(self, process: subprocess.Popen[bytes]) -> None:
        """Restart the server if it aborts."""
        process.wait()
        with self._changing:
            if self._process is process and process.returncode == -signal.SIGABRT:
                self._launch()

    def _write_users(self) -> Path:
        users = (self.directory / "users.xml").resolve()
        users.write_text(_USERS.format(self.users))
        config = self.directory.resolve() / "config.xml"
        config.write_text(
            f"<clickhouse><user_directories><users_xml><path>{users}</path></users_xml>"
            f"</user_directories><users_config>{users}</users_config></clickhouse>"
        )
        return config

    def answers(self) -> bool:
        """Whether the server answers over HTTP."""
        try:
            # Bypass any proxy of the environment.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{self.http_port}/ping", timeout=5) as answer:
                answer.read()  # so that the connection is not reset
                return bool(answer.status == 200)
        except (OSError, HTTPException):
            return False

    def pause(self) -> None:
        """Pause the server: it accepts connections, but does not respond."""
        os.kill(self.pid, signal.SIGSTOP)
        # Until then one of its threads may still answer.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Resume the server."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server, as in a crash, and wait until it has exited."""
        with self._changing:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Kill the server and start it again with the same data and ports."""
        self.kill()
        self.start()


_RESERVED: Final[deque[socket.socket]] = deque()
_MOST_RESERVED: Final = 500


def free_port() -> int:
    """Return an unused port of the loopback interface.

    It is outside the system's range for automatic ports. Otherwise the system could assign it to
    another process before it is used, or during a restart. No test of any process gets the same
    port meanwhile, since this one keeps a UDP port that stands for it. (Not that of the same
    number, which Caddy uses.)
    """
    while True:
        at = ("127.0.0.1", random.randrange(10_000, 32_000))  # noqa: S311 - not a secret
        reserved = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            reserved.bind((at[0], at[1] + 32_000))
            socket.create_server(at).close()
        except OSError:
            reserved.close()
            continue
        _RESERVED.append(reserved)
        if len(_RESERVED) > _MOST_RESERVED:
            _RESERVED.popleft().close()
        return at[1]


def cache_directory() -> Path:
    """Return the directory of downloads: `SLUICE_TEST_CACHE`, or `.cache/clickhouse` here."""
    override = os.environ.get("SLUICE_TEST_CACHE")
    return Path(override) if override else ROOT / ".cache" / "clickhouse"


def fetch_library() -> Path:
    """Return the path of the server's library, which is downloaded with npm and unpacked once.

    Raises:
        RuntimeError: npm is missing or fails, or the archive has a wrong checksum.
    """
    cache = cache_directory().resolve()
    unpacked = cache / f"lib-{PACKAGE.version}"
    unpack(PACKAGE, unpacked, cache)
    return unpacked / "libchdb.so"


def serve(
    library: Path, data: Path, tcp_port: int, http_port: int, config: Path | None = None
) -> None:
    """Run the server in this process until it is stopped."""
    arguments = [
        "clickhouse-local",
        *("--path", str(data)),
        "--listen_host=127.0.0.1",
        f"--tcp_port={tcp_port}",
        f"--http_port={http_port}",
        *([f"--config-file={config}"] if config else []),
        *("--query", _SERVE),
    ]
    values = (ctypes.c_char_p * len(arguments))(*(argument.encode() for argument in arguments))
    ctypes.CDLL(str(library)).chdb_query_cmdline(len(arguments), values)


def _start_by_hand(directory: Path, tcp_port: int, http_port: int) -> None:
    server = ClickHouseServer(directory, tcp_port=tcp_port, http_port=http_port)
    server.start()
    (directory / "pid").write_text(str(server.pid))
    print(server.url())


def _stop_by_hand(directory: Path) -> None:
    pid = directory / "pid"
    if not pid.exists():
        sys.exit(f"no test server was started in {directory}")
    process = int(pid.read_text())
    command = Path(f"/proc/{process}/cmdline")
    # The id may meanwhile belong to another process.
    if command.exists() and re.search(rb"\.clickhouse_server\0serve\0", command.read_bytes()):
        os.kill(process, signal.SIGKILL)
    pid.unlink()


def main() -> None:
    """Start or stop a server from the command line; `start` prints its URL."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    default = cache_directory() / "server"
    start = commands.add_parser("start")
    start.add_argument("--directory", type=Path, default=default)
    start.add_argument("--tcp-port", type=int, default=9000)
    start.add_argument("--http-port", type=int, default=8123)
    stop = commands.add_parser("stop")
    stop.add_argument("--directory", type=Path, default=default)
    server = commands.add_parser("serve")
    server.add_argument("library", type=Path)
    server.add_argument("data", type=Path)
    server.add_argument("tcp_port", type=int)
    server.add_argument("http_port", type=int)
    server.add_argument("config", type=Path, nargs="?")
    options = parser.parse_args()
    if options.command == "start":
        _start_by_hand(options.directory, options.tcp_port, options.http_port)
    elif options.command == "stop":
        _stop_by_hand(options.directory)
    else:
        serve(options.library, options.data, options.tcp_port, options.http_port, options.config)


if __name__ == "__main__":
    main()
