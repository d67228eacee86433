"""The secret salts of visitor ids: a fresh one each UTC day, none kept for long.

Without its salt an id cannot be computed again, so nothing links a visitor's days
(spec/sessions.md §2).
"""

import json
import math
import secrets
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Final

KEY_BYTES: Final = 16
LIFETIME: Final = 48 * 3600
"""Seconds after which a salt is deleted (spec/sessions.md §2)."""

_DAY: Final = 86_400
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Salt:
    """One day's secret.

    Attributes:
        key: 16 random bytes. Never logged.
        created_at: Unix seconds.

    Raises:
        ValueError: The key has another length.
    """

    key: bytes = field(repr=False)
    created_at: int

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"a salt has {KEY_BYTES} bytes, not {len(self.key)}")

    def is_fresh(self, now: float) -> bool:
        """Whether it may be kept: it is not older than 48 hours, nor from the future.

        The latter is left by a clock that ran ahead, and would live longer than others.
        """
        return 0 <= math.floor(now) - self.created_at <= LIFETIME


@dataclass(frozen=True, slots=True)
class Salts:
    """The salts in force.

    Attributes:
        current: Makes the ids of new visits.
        previous: Finds visits that were open when the salts rotated; None when there is none.
    """

    current: Salt
    previous: Salt | None = None


def fresh_key() -> bytes:
    """Make the key of a new salt, from the system's source of secrets."""
    return secrets.token_bytes(KEY_BYTES)


def start(saved: Salts | None, key: bytes, now: float) -> Salts:
    """Choose the salts to start with.

    A process that was down over midnight catches up: salts saved on another UTC day are rotated at
    once, and what is too old is forgotten.

    Args:
        saved: What the last process left; None when nothing.
        key: Random bytes, used if a new salt is needed.
        now: Unix seconds.
    """
    if saved is None:
        return Salts(Salt(key, int(now)))
    return rotate(saved, key, now) if rotation_due(saved, now) else expire(saved, now)


def rotation_due(salts: Salts, now: float) -> bool:
    """Whether the current salt was made on another UTC day.

    A salt from the future, left by a clock that ran ahead, is due as well: it must not live longer
    than others.
    """
    return salts.current.created_at // _DAY != int(now) // _DAY


def rotate(salts: Salts, key: bytes, now: float) -> Salts:
    """Begin a new day: a fresh current salt; the old one is kept as the previous if not too old.

    A salt from the future, left by a clock that ran ahead, counts as made now: it finds visits that
    are open, and lives no longer than others.

    Args:
        salts: What was in force.
        key: Random bytes of the new salt.
        now: Unix seconds.
    """
    old = salts.current
    previous = replace(old, created_at=min(old.created_at, int(now)))
    return expire(Salts(Salt(key, int(now)), previous), now)


def expire(salts: Salts, now: float) -> Salts:
    """Forget the previous salt once it is older than 48 hours."""
    if salts.previous is not None and now - salts.previous.created_at > LIFETIME:
        return replace(salts, previous=None)
    return salts


def outlived(salts: Salts, now: float) -> bool:
    """Whether even the current salt is older than 48 hours: it goes, whatever that costs."""
    return now - salts.current.created_at > LIFETIME


def of_day(salts: Salts, timestamp: int) -> Salts:
    """The salts for events of a past day.

    A visitor of that day has one id, whatever day it is now, as long as the current salt lasts; it
    is nobody's id today. The day before gives the id that finds visits over midnight.

    Args:
        salts: Those in force.
        timestamp: Of the event, Unix seconds.
    """
    day = timestamp // _DAY
    return Salts(_derived(salts.current, day), _derived(salts.current, day - 1))


def _derived(salt: Salt, day: int) -> Salt:
    key = blake2b(b"%d" % day, key=salt.key, digest_size=KEY_BYTES).digest()
    return Salt(key, salt.created_at)


def next_rotation(now: float) -> int:
    """When the next UTC day begins, in Unix seconds; always later than `now`."""
    return (int(now // _DAY) + 1) * _DAY


def serialise(salts: Salts) -> str:
    """Write the salts as the text of the state file."""
    document = {
        "version": _FORMAT,
        "salts": [
            {"key": salt.key.hex(), "created_at": salt.created_at}
            for salt in (salts.current, salts.previous)
            if salt is not None
        ],
    }
    return json.dumps(document) + "\n"


def parse(text: str) -> Salts:
    """Read what `serialise` wrote.

    Raises:
        ValueError: It is something else. The message has one line and tells nothing of a key.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("salts: not JSON") from None
    match document:
        case {"version": int(version), "salts": [current, *rest]} if len(rest) <= 1:
            if version != _FORMAT:
                raise ValueError(f"salts: format {version} is unknown, expected {_FORMAT}")
            return Salts(_salt(current), _salt(rest[0]) if rest else None)
    raise ValueError("salts: expected a version and one or two salts")


def _salt(entry: object) -> Salt:
    match entry:
        case {"key": str(key), "created_at": int(created_at)} if type(created_at) is int:
            try:
                return Salt(bytes.fromhex(key), created_at)
            except ValueError:
                raise ValueError(f"salts: a key is not {KEY_BYTES} bytes in hexadecimal") from None
    raise ValueError("salts: a salt needs the text key and the whole number created_at")
