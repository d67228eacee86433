import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_COMPLETED = """
eval "$(_SLUICE_COMPLETE=bash_source sluice)"
complete -p sluice
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_sluice_completion sluice
echo "${COMPREPLY[*]}"
"""


BASH = shutil.which("bash")


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (("se",), ["serve", "settings"]),
        (("sites", "r"), ["rates", "remove"]),
        (("sites", "add", "--serv"), ["--server-key"]),
        (("query", "--format", ""), ["table", "csv", "json"]),
        (("--env-file", "x", "dead-letters", "sh"), ["show"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_bash(tmp_path: Path, words: tuple[str, ...], completed: list[str]) -> None:
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    assert BASH is not None
    ended = subprocess.run(
        [BASH, "--norc", "-c", _COMPLETED, "bash", "sluice", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    registered, *found = ended.stdout.splitlines()
    assert registered == "complete -o nosort -F _sluice_completion sluice"
    assert " ".join(found).split() == completed
