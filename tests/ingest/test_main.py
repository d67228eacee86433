import gc
import importlib.abc
import sys
from types import ModuleType

import pytest

from ingest.__main__ import EXIT_INTERRUPTED, GARBAGE_OBJECTS, main


class InterruptedImport(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> None:
        if name == "ingest.cli":
            raise KeyboardInterrupt


def test_modules_load_without_a_search_for_garbage_and_can_be_interrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "ingest.cli", raising=False)
    thresholds: list[int] = []
    monkeypatch.setattr(gc, "set_threshold", thresholds.append)
    monkeypatch.setattr(sys, "meta_path", [InterruptedImport(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == EXIT_INTERRUPTED
    assert capsys.readouterr() == ("", "sluice: interrupted\n")
    assert thresholds == [GARBAGE_OBJECTS]
