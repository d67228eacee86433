"""Converts Plausible's salts to Sluice's, so that visitors keep their ids."""

from collections.abc import Sequence
from datetime import UTC, datetime

from ingest.plausible.tables import StoredSalt
from ingest.sessions.salts import KEY_BYTES, LIFETIME, Salt, Salts, rotation_due


def salts_in_force(
    stored: Sequence[StoredSalt], now: float
) -> tuple[Salts | None, tuple[str, ...]]:
    """Choose the salts that may still be used (spec/sessions.md §2).

    Args:
        stored: Plausible's salts, newest first.
        now: Unix seconds.

    Returns:
        The salts, or None if there is no current one; and notes for the operator, one line each.
    """
    notes: list[str] = []
    usable: list[Salt | None] = []
    for name, salt in zip(("current", "previous"), stored, strict=False):
        problem = _problem(salt, now)
        usable.append(None if problem else Salt(salt.key, salt.created_at))
        if problem:
            notes.append(f"the {name} salt {problem}")
    if not usable:
        notes.append("Plausible has no salts")
    current, previous = (*usable, None, None)[:2]
    if current is None:
        return None, tuple(notes)
    salts = Salts(current, previous)
    if rotation_due(salts, now):
        day = datetime.fromtimestamp(current.created_at, UTC).date()
        notes.append(
            f"the current salt is of {day}: Sluice makes a new one when it starts, and visitors "
            "have new ids from then on"
        )
    return salts, tuple(notes)


def _problem(salt: StoredSalt, now: float) -> str | None:
    if len(salt.key) != KEY_BYTES:
        return f"has {len(salt.key)} bytes, not {KEY_BYTES}"
    if now - salt.created_at > LIFETIME:
        return "is older than 48 hours"
    return None
