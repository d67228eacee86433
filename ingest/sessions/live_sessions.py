"""The sessions of visitors who are on a site now. There may be millions."""

import math
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import chain
from typing import Final

from msgspec.structs import replace

from ingest.sessions.open_sessions import SLICE, OpenSessions
from ingest.sessions.session import Session

SHARDS: Final = 64
"""Number of dicts. A dict that grows is copied at once, which takes 20 ms or more for a million
sessions; 64 grow one after the other, since visitors' ids are random."""


class LiveSessions(OpenSessions):
    """Sessions that are forgotten some time after they were last touched, by the log's time.

    Each session waits in the list of one second: that of the first event, at first. When this
    second is over for longer than timeout and margin, the session is forgotten or, if it was
    touched later, waits in the list of that later second. So an event of a session that is open
    changes no list, and a session takes 8 bytes there.
    """

    def __init__(self, timeout: int, margin: int = 0) -> None:
        """Start empty.

        Args:
            timeout: As for `OpenSessions`.
            margin: How much longer a session is kept, by the log's time.
        """
        super().__init__(timeout)
        self.margin = margin
        self.clear()

    def clear(self) -> None:
        """Forget all sessions."""
        self._shards: list[dict[int, Session]] = [{} for _ in range(SHARDS)]
        self._waiting: dict[int, list[int]] = {}
        self._seconds: list[int] = []
        """A heap of the keys of `_waiting`."""

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def __iter__(self) -> Iterator[Session]:
        """In no particular order."""
        return chain.from_iterable(map(dict.values, self._shards))

    def get(self, site_id: int, user_id: int) -> Session | None:
        """The session stored under a visitor's id, live or not."""
        key = site_id << 64 | user_id  # `session_key`; the call would take as long as the rest
        return self._shards[key % SHARDS].get(key)

    def put(self, session: Session) -> None:
        """Store a session's state."""
        key = session.site_id << 64 | session.user_id
        shard = self._shards[key % SHARDS]
        if key not in shard:
            self._wait(key, session.touched)
        shard[key] = session

    def count(self, log_time: int) -> int:
        """How many `expire` would leave.

        Args:
            log_time: Now, by the log's time in Unix seconds.
        """
        oldest = log_time - self.timeout - self.margin
        over = [keys for second, keys in self._waiting.items() if second < oldest]
        touched = (self._shards[key % SHARDS][key].touched for key in chain.from_iterable(over))
        return len(self) - sum(1 for second in touched if second < oldest)

    def expire(self, log_time: int, limit: float = math.inf) -> int:
        """Forget the sessions that were not touched for longer than timeout and margin.

        Args:
            log_time: Now, by the log's time in Unix seconds.
            limit: How many to look at, at most.

        Returns:
            How many it has looked at. If these are fewer than the limit, all are done.
        """
        oldest = log_time - self.timeout - self.margin
        looked_at = 0
        while self._seconds and self._seconds[0] < oldest and looked_at < limit:
            keys = self._waiting[self._seconds[0]]
            while keys and looked_at < limit:
                self._forget_or_wait(keys.pop(), oldest)
                looked_at += 1
            if not keys:
                del self._waiting[heappop(self._seconds)]
        return looked_at

    def step_back(self, log_time: int) -> Iterator[None]:
        """Handle a step back of the log's time: sessions touched later count as touched now.

        So a clock that was ahead for a while does not keep sessions open for too long. `SLICE`
        sessions are processed at a time.

        Args:
            log_time: Now, by the log's time in Unix seconds.
        """
        keys = self._waiting.setdefault(log_time, [])
        for second in [second for second in self._seconds if second > log_time]:
            keys += self._waiting.pop(second)
        self._seconds = sorted(self._waiting)
        number = 0
        for shard in self._shards:
            for key, session in shard.items():
                if session.touched > log_time:
                    shard[key] = replace(session, touched=log_time)
                number += 1
                if number % SLICE == 0:
                    yield

    def _wait(self, key: int, second: int) -> None:
        keys = self._waiting.get(second)
        if keys is None:
            self._waiting[second] = [key]
            heappush(self._seconds, second)
        else:
            keys.append(key)

    def _forget_or_wait(self, key: int, oldest: int) -> None:
        shard = self._shards[key % SHARDS]
        touched = shard[key].touched
        if touched < oldest:
            del shard[key]
        else:
            self._wait(key, touched)
