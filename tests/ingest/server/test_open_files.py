import resource

import pytest

from ingest.server.open_files import WANTED_FILES, raise_file_limit

NONE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (256, 1024, 1024),
        (1024, 524_288, WANTED_FILES),
        (1024, NONE, WANTED_FILES),
        (128, 128, 128),
        (WANTED_FILES, NONE, None),
        (100_000, 100_000, None),
        (NONE, NONE, None),
    ],
)
def test_the_soft_limit_is_raised(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int | None
) -> None:
    done: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: done.append(limits))
    raise_file_limit()
    assert done == ([] if raised is None else [(raised, hard)])


def test_a_limit_that_is_not_granted_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, NONE))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_file_limit()
