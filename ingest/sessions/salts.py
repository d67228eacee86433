"""The secret salts of visitor ids: a new one each UTC day, deleted after 48 hours.

Without its salt an id cannot be computed again, so a visitor's days cannot be linked
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
        """Whether it may be kept: it is at most 48 hours old, and not from the future.

        A clock that was ahead leaves a salt from the future, which would live for too long.
        """
        return 0 <= math.floor(now) - self.created_at <= LIFETIME


@dataclass(frozen=True, slots=True)
class Salts:
    """The salts in force.

    Attributes:
        current: For the ids of new sessions.
        previous: To find sessions that were open when the salts rotated; None when there is none.
    """

    current: Salt
    previous: Salt | None = None


def fresh_key() -> bytes:
    """Create the key of a new salt from the system's secure random source."""
    return secrets.token_bytes(KEY_BYTES)


def start(saved: Salts | None, key: bytes, now: float) -> Salts:
    """Choose the salts to start with.

    Salts saved on another UTC day are rotated at once, and salts that are too old are forgotten.

    Args:
        saved: The salts of the last process; None if there are none.
        key: Random bytes, used if a new salt is needed.
        now: Unix seconds.
    """
    if saved is None:
        return Salts(Salt(key, int(now)))
    return rotate(saved, key, now) if rotation_due(saved, now) else expire(saved, now)


def rotation_due(salts: Salts, now: float) -> bool:
    """Whether the current salt was made on another UTC day.

    A salt from the future, left by a clock that was ahead, is due as well, so that it does not live
    for too long.
    """
    return salts.current.created_at // _DAY != int(now) // _DAY


def rotate(salts: Salts, key: bytes, now: float) -> Salts:
    """Start a new day: a new current salt; the old one becomes the previous unless too old.

    A salt from the future, left by a clock that was ahead, counts as created now: it finds open
    sessions, but does not live for too long.

    Args:
        salts: The salts so far.
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
    """Whether even the current salt is older than 48 hours and must be deleted."""
    return now - salts.current.created_at > LIFETIME


def of_day(salts: Salts, timestamp: int) -> Salts:
    """The salts for events of a past day.

    While the current salt lasts, a visitor of that day always has the same id. It never equals an
    id of today. The salt of the day before gives the id that finds sessions over midnight.

    Args:
        salts: The current salts.
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
    """Encode the salts as the text of the state file."""
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
        ValueError: The text is invalid. The message has one line and does not contain a key.
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
