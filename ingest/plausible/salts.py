"""Takes Plausible's salts, once or for good, so that both compute the same visitor ids."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from ingest.plausible.tables import StoredSalt
from ingest.sessions.salts import KEY_BYTES, LIFETIME, Salt, Salts, expire, rotation_due, start

GRACE_SECONDS: Final = 600
"""How long after midnight UTC Plausible may make the day's salt, and how far its clock may be
ahead."""

_DAY: Final = 86_400


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


def rotates(theirs: Salts | None, now: float) -> bool:
    """Whether Plausible makes a salt each day, as far as its current one shows.

    Args:
        theirs: Plausible's salts; None if they are not known.
        now: Unix seconds.
    """
    if theirs is None:
        return False
    made = theirs.current.created_at
    return made <= now + GRACE_SECONDS and made // _DAY >= int(now - GRACE_SECONDS) // _DAY


def follow(salts: Salts | None, theirs: Salts | None, key: bytes, now: float) -> Salts:
    """Choose the salts in force.

    They are Plausible's for as long as it makes a new one each day; otherwise our own, rotated at
    midnight. The salt that was in force finds the visits that are open.

    Args:
        salts: In force so far; None if there are none.
        theirs: Plausible's salts; None if they are not known.
        key: Random bytes, used if a new salt is needed.
        now: Unix seconds.
    """
    if theirs is None or not rotates(theirs, now):
        return start(salts, key, now)
    if salts is None or salts.current == theirs.current:
        return expire(salts or theirs, now)
    return expire(Salts(theirs.current, salts.current), now)


def _problem(salt: StoredSalt, now: float) -> str | None:
    if len(salt.key) != KEY_BYTES:
        return f"has {len(salt.key)} bytes, not {KEY_BYTES}"
    if now - salt.created_at > LIFETIME:
        return "is older than 48 hours"
    return None
