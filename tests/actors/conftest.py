from collections.abc import Iterator
from typing import Any

import pytest

from actors.log.file_log import FileLog
from tests.actors.log.files import kill


@pytest.fixture(autouse=True)
def closed_logs() -> Iterator[None]:
    """Close the logs that a test leaves open. Those of a killed process are not closed in it."""
    logs: list[FileLog] = []
    begin = FileLog.__init__

    def note(log: FileLog, *arguments: Any, **options: Any) -> None:
        begin(log, *arguments, **options)
        logs.append(log)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileLog, "__init__", note)
        yield
    for log in logs:
        kill(log)
