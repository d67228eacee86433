"""The states of parts in the readiness report: `ok`, `degraded`, `down`."""

from collections.abc import Iterable, Mapping
from typing import Final

_BAD: Final = ("down", "degraded")


def worst_state(parts: Iterable[Mapping[str, object]]) -> str:
    """The worst `status` of some parts; `ok` if there is none."""
    states = {part["status"] for part in parts}
    return next((state for state in _BAD if state in states), "ok")
