"""How fronts agree on each day's salt, without an election.

Any front may propose a salt for a date in the salts topic. The topic has one order, and the first
record for a date wins for all. Fronts that follow Plausible's PostgreSQL propose the salt that
Plausible has made for the date. A record holds

    {"version": 1, "day": days since 1970-01-01, "key": hexadecimal, "created_at": Unix seconds}
"""

import math
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ingest.sessions.salts import KEY_BYTES, LIFETIME, Salt, Salts

VERSION: Final = 1

PROPOSAL_SECONDS: Final = 3600
"""How long before midnight (UTC) the salt of the next day is proposed."""

MAX_JITTER: Final = 1800
"""Maximum number of seconds by which a front delays its proposal, so that most see another's."""

_DAY: Final = 86_400

_NEVER: Final = (math.inf, math.inf, None)
"""The period of salts that are still to be looked up."""


def day_of(now: float) -> int:
    """The date of a time in Unix seconds: days since 1970, in UTC."""
    return int(now // _DAY)


@dataclass(frozen=True, slots=True)
class DailySalt:
    """The salt for one date.

    Attributes:
        day: The UTC date, in days since 1970-01-01.
        key: 16 random bytes. Never logged.
        created_at: Unix seconds.

    Raises:
        ValueError: The key has another length.
    """

    day: int
    key: bytes = field(repr=False)
    created_at: int

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"a salt has {KEY_BYTES} bytes, not {len(self.key)}")

    @property
    def deleted_at(self) -> int:
        """When it must be deleted everywhere, Unix seconds."""
        return self.created_at + LIFETIME


class SaltAgreement:
    """The salts that the fronts have agreed on."""

    def __init__(self, jitter: float = 0.0) -> None:
        """Start without salts.

        Args:
            jitter: Seconds by which this front delays its proposals, from 0 to `MAX_JITTER`.
        """
        self._jitter = jitter
        self._days: dict[int, DailySalt] = {}
        self._restored: set[int] = set()
        self._in_force: tuple[float, float, Salts | None] = _NEVER

    def apply(self, salt: DailySalt, append_time: float) -> bool:
        """Apply a record, in the order of the topic.

        All members decide the same, because only the record and the broker's clock count. A record
        of a wrong clock is left out: one for another date than the day before, the day of the
        append or the day after, and one whose salt would be deleted before its date has ended.

        Args:
            salt: The record's content.
            append_time: When the broker appended it, Unix seconds.

        Returns:
            Whether it is now the salt of its date.
        """
        created_at = min(salt.created_at, int(append_time))
        if (
            (salt.day in self._days and salt.day not in self._restored)
            or abs(salt.day - append_time // _DAY) > 1
            or created_at + LIFETIME < (salt.day + 1) * _DAY
        ):
            return False
        self._days[salt.day] = DailySalt(salt.day, salt.key, created_at)
        self._restored.discard(salt.day)
        self._in_force = _NEVER
        return True

    def restore(self, salt: DailySalt) -> None:
        """Restore a salt that was agreed on before, from this front's disk.

        The topic's salt for the date replaces it: the disk may be that of another cluster.
        """
        if salt.day not in self._days:
            self._days[salt.day] = salt
            self._restored.add(salt.day)
            self._in_force = _NEVER

    @property
    def agreed(self) -> list[DailySalt]:
        """All salts, oldest date first, to be kept on this front's disk."""
        return [self._days[day] for day in sorted(self._days)]

    def salts_at(self, received: float) -> Salts | None:
        """The salts for an event.

        If there is none for the event's date yet, the one before it stays in force.

        Args:
            received: When the event was received, Unix seconds.

        Returns:
            None if there is no salt that may be used: the event must be refused.
        """
        start, end, salts = self._in_force
        if not start <= received < end:
            start, end, salts = self._in_force = self._salts_of_period(received)
        return salts

    def _salts_of_period(self, received: float) -> tuple[float, float, Salts | None]:
        """The salts for an event, and the period for which they are in force."""
        start = received - received % _DAY
        end = start + _DAY
        usable = []
        for salt in self.agreed:
            if salt.day <= received // _DAY:
                if received < salt.deleted_at:
                    usable.append(Salt(salt.key, salt.created_at))
                    end = min(end, salt.deleted_at)
                else:
                    start = max(start, salt.deleted_at)
        if not usable:
            return start, end, None
        return start, end, Salts(usable[-1], usable[-2] if len(usable) > 1 else None)

    def proposal_due(self, now: float) -> int | None:
        """The day to propose a salt for; None if no proposal is due.

        Call it only after the topic was read to its end.

        Args:
            now: Unix seconds.
        """
        today = day_of(now)
        if today not in self._days:
            return today
        if today + 1 not in self._days and now >= self._proposal_time(today):
            return today + 1
        return None

    def awaits(self, now: float, grace: float) -> bool:
        """Whether the salt for today is still awaited, and the one before it may be used.

        Args:
            now: Unix seconds.
            grace: Seconds after midnight within which the salt is awaited.
        """
        today = day_of(now)
        late = now >= today * _DAY + grace
        return today not in self._days and not late and self.salts_at(now) is not None

    def overrules(self, theirs: Salt) -> bool:
        """Whether another salt than Plausible's was agreed on for the date of Plausible's."""
        agreed = self._days.get(theirs.created_at // _DAY)
        return agreed is not None and agreed.key != theirs.key

    def proposal(
        self, now: float, key: bytes, theirs: Salt | None = None, grace: float | None = None
    ) -> DailySalt | None:
        """The salt to propose; None if no proposal is due.

        If the fronts follow Plausible's salts, Plausible's is proposed once it has made one for the
        date. A salt of our own is proposed for today only, if Plausible's has been awaited in vain,
        or if there is no salt for the events that arrive.

        Args:
            now: Unix seconds.
            key: Random bytes of a salt of our own.
            theirs: Plausible's current salt; None if it is not known.
            grace: Seconds after midnight within which Plausible's salt is awaited; None if the
                fronts do not follow it.
        """
        day = self.proposal_due(now)
        if day is None:
            return None
        if theirs is not None and theirs.created_at // _DAY == day:
            return DailySalt(day, theirs.key, theirs.created_at)
        if grace is not None and (day > day_of(now) or self.awaits(now, grace)):
            return None
        return DailySalt(day, key, int(now))

    def expire(self, now: float) -> bool:
        """Delete the salts that were made more than 48 hours ago.

        Returns:
            Whether any was deleted, so that the disk must follow.
        """
        outlived = [day for day, salt in self._days.items() if now >= salt.deleted_at]
        for day in outlived:
            del self._days[day]
            self._in_force = _NEVER
        return bool(outlived)

    def _proposal_time(self, today: int) -> float:
        return (today + 1) * _DAY - PROPOSAL_SECONDS + self._jitter


class _Record(msgspec.Struct, frozen=True):
    version: int
    day: int
    key: str
    created_at: int


_RECORD: Final = msgspec.json.Decoder(_Record)


def encode_salt(salt: DailySalt) -> bytes:
    """A salt as the content of a record."""
    return msgspec.json.encode(_Record(VERSION, salt.day, salt.key.hex(), salt.created_at))


def decode_salt(data: bytes) -> DailySalt:
    """Read what `encode_salt` wrote.

    Raises:
        ValueError: It is no salt, or its version is not known. The message does not contain a key.
    """
    try:
        record = _RECORD.decode(data)
    except (ValueError, RecursionError):
        raise ValueError("not a salt: expected version, day, key and created_at") from None
    if record.version != VERSION:
        raise ValueError(f"salt version {record.version} is not known, only {VERSION}")
    try:
        return DailySalt(record.day, bytes.fromhex(record.key), record.created_at)
    except ValueError:
        raise ValueError(f"not a salt: its key is not {KEY_BYTES} bytes in hexadecimal") from None


def daily_salts(salts: Salts) -> list[DailySalt]:
    """The salts of a single process as salts of the dates on which they were made."""
    found = [
        DailySalt(salt.created_at // _DAY, salt.key, salt.created_at)
        for salt in (salts.previous, salts.current)
        if salt is not None
    ]
    # The current one wins if a wrong clock made both on the same date.
    return list({salt.day: salt for salt in found}.values())
