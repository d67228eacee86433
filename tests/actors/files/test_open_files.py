import math
import resource

import pytest

from actors.files.open_files import open_files


@pytest.mark.parametrize(("soft", "allowed"), [(256, 256), (resource.RLIM_INFINITY, math.inf)])
def test_the_soft_limit_counts(monkeypatch: pytest.MonkeyPatch, soft: int, allowed: float) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, resource.RLIM_INFINITY))
    assert open_files() == allowed
