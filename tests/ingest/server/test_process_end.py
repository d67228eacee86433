import subprocess
import sys

import pytest

from ingest import cli

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


def test_the_server_ends_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(cli, "settings_of_command", lambda: None)
    monkeypatch.setattr(cli, "serve", lambda *_: 70)
    monkeypatch.setattr(cli, "end_process", ended.append)
    cli.commands(["serve"], standalone_mode=False)
    assert ended == [70]
