import logging
import os
from collections.abc import Iterator

import pytest
import structlog

from ingest.settings import Settings, setting_names


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo what a command or a test did to logging, which is the whole process's."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove all settings from the environment, and what looks like one."""
    known = {name for field in Settings.model_fields.values() for name in setting_names(field)}
    for name in list(os.environ):
        if name in known or name.upper().startswith("SLUICE_"):
            monkeypatch.delenv(name)
