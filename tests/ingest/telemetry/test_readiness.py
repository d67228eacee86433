import pytest

from ingest.telemetry.readiness import worst_state


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((), "ok"),
        (("ok", "ok"), "ok"),
        (("ok", "degraded"), "degraded"),
        (("degraded", "down", "ok"), "down"),
    ],
)
def test_the_worst_state(states: tuple[str, ...], expected: str) -> None:
    assert worst_state({"status": state} for state in states) == expected
