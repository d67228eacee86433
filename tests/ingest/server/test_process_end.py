import subprocess
import sys

import pytest

from ingest import cli
from ingest.server.start_files import StartError
from tests.ingest.commands.command_line import run

_PROGRAM = """
import atexit, sys
from ingest.server.process_end import end_process
atexit.register(print, "taken apart")
print("printed")
print("logged", file=sys.stderr, end="")
end_process(70)
"""


def test_it_ends_at_once_with_its_code_and_all_that_was_written() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (70, "printed\n", "logged")


_LOGS_A_LOT = """
import structlog
from ingest.server.process_end import end_process
from ingest.telemetry.logs import configure, dropped_lines
configure("info", "json")
for number in range(20_000):
    structlog.get_logger().info("a line of the log", number=number)
print(dropped_lines() > 0)
end_process(70)
"""


def test_a_log_that_nobody_reads_does_not_keep_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _LOGS_A_LOT], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"True\n"
        assert process.wait(60) == 70


def test_the_server_ends_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr("ingest.commands.serve.settings_of_command", lambda of_unit: None)
    monkeypatch.setattr("ingest.server.serve.serve", lambda *_: 70)
    monkeypatch.setattr("ingest.server.process_end.end_process", ended.append)
    cli.commands(["serve"], standalone_mode=False)
    assert ended == [70]


def test_a_server_that_cannot_start_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise StartError("PORT 80 on HOST 127.0.0.1 is taken")

    monkeypatch.setattr("ingest.commands.serve.settings_of_command", lambda of_unit: None)
    monkeypatch.setattr("ingest.server.serve.serve", refuse)
    result = run("serve")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "sluice: PORT 80 on HOST 127.0.0.1 is taken\n"
