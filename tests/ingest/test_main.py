import importlib.abc
import sys
from types import ModuleType

import pytest

from ingest.__main__ import EXIT_INTERRUPTED, main


class InterruptedImport(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> None:
        if name == "ingest.cli":
            raise KeyboardInterrupt


def test_ctrl_c_while_modules_load(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "ingest.cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [InterruptedImport(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == EXIT_INTERRUPTED
    assert capsys.readouterr() == ("", "sluice: interrupted\n")
