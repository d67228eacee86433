"""The disk space of rows: a million events through the pure pipeline into the embedded store.

Run as `python -m benchmarks.sizing [EVENTS]`. The traffic covers a month, with the visitors, pages,
referrers and browsers of a busy site. For each pageview, it has an engagement event, and sometimes
a custom event with properties.
"""

import heapq
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

import trio

from actors.stores.embedded import EmbeddedStore
from actors.stores.url import EmbeddedAddress
from benchmarks.memory import resident
from ingest.enrichment.geo import NoGeoDatabase
from ingest.model.event import Event, Place
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import STEPS, run_steps
from ingest.request.parse import parse_request
from ingest.rows.batch import Batch
from ingest.rows.layout import EventRows, event_row, session_row
from ingest.rows.schema import TABLES
from ingest.sessions.live_sessions import LiveSessions
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry

START: Final = 1_790_812_800  # 2026-10-01
MONTH: Final = 30 * 86_400
SITES: Final = 20
PAGES: Final = 2_000
BATCH: Final = 1_000
"""Events in a flush: few enough that most pageviews of a session are in different flushes."""
VIEWS: Final = (1, 1, 1, 1, 1, 1, 2, 2, 3, 5, 8)
"""Numbers of pageviews in a session, to choose from. More than half of the sessions have one."""

SYSTEMS: Final = (
    "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64",
    "Linux; Android 10; K",
)  # fmt: skip
AGENTS: Final = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0"
    " Safari/537.36"
    for system in SYSTEMS
    for version in range(120, 142)
]
REFERRERS: Final = (
    *["https://www.google.com/"] * 8,
    *(f"https://blog{n}.example.net/links/{n}" for n in range(100)),
    *(f"https://news.ycombinator.com/item?id={n}" for n in range(50)),
    "https://t.co/abc", "https://www.bing.com/", "https://github.com/a/b",
)  # fmt: skip
COUNTRIES: Final = ("DE", "US", "FR", "GB", "BR", "IN", "NL", "JP", "PL", "SE")


Sent = tuple[int, str, str, dict[str, object]]
"""Time, address, user agent and body of an event."""


class Traffic(NoGeoDatabase):
    """Generates sessions in order of time; also the geo database of their places."""

    def __init__(self) -> None:
        """Start with the same random seed each time."""
        self._random = random.Random(42)  # noqa: S311

    def lookup(self, address: str) -> Place:
        """Return a place for an address, the same each time."""
        number = int(address.rpartition(".")[2])
        country = COUNTRIES[number % len(COUNTRIES)]
        return Place(country, f"{country}-{number % 16}", "", 2_900_000 + number)

    def bodies(self, visits: int) -> Iterator[Sent]:
        """Yield all events in order of time; sessions overlap."""
        waiting: list[tuple[int, int, Sent]] = []
        numbers = count()
        for number in range(visits):
            start = START + number * MONTH // visits
            while waiting and waiting[0][0] <= start:
                yield heapq.heappop(waiting)[2]
            for sent in self._visit(start):
                heapq.heappush(waiting, (sent[0], next(numbers), sent))
        yield from (sent for _, _, sent in sorted(waiting))

    def _visit(self, now: int) -> Iterator[Sent]:
        site = f"site{int(self._random.paretovariate(1.2)) % SITES}.example"
        address = f"198.51.{self._random.randrange(256)}.{self._random.randrange(256)}"
        agent = self._random.choice(AGENTS)
        referrer: str | None = self._random.choice(REFERRERS)
        tagged = self._random.random() < 0.05
        for view in range(self._random.choice(VIEWS)):
            page = int(self._random.paretovariate(0.8)) % PAGES
            url = f"https://{site}/articles/{page % 12 + 1:02}/a-title-of-some-words-{page}"
            seen = url + ("?utm_source=newsletter&utm_medium=email" if tagged else "")
            common = {"d": site, "v": 36}
            source = referrer if view == 0 and self._random.random() < 0.6 else None
            yield now, address, agent, {"n": "pageview", "u": seen, "r": source, **common}
            spent = self._random.randrange(1_000, 120_000)
            now += spent // 1000
            depth = self._random.randrange(101)
            engaged = {"n": "engagement", "u": url, "sd": depth, "e": spent, **common}
            yield now, address, agent, engaged
            if self._random.random() < 0.1:
                props = {"plan": self._random.choice(("free", "pro")), "position": "header"}
                yield now, address, agent, {"n": "Signup", "u": url, "p": props, **common}


def rows(traffic: Traffic, visits: int) -> Iterator[EventRows]:
    """Yield the rows that the pipeline would store."""
    reference = Reference(
        SiteRegistry([Site(n + 1, f"site{n}.example") for n in range(SITES)]),
        traffic,
        Salts(Salt(b"k" * 16, START), Salt(b"p" * 16, START - 86_400)),
        RateLimiter(),
    )
    ids = random.Random(7)  # noqa: S311
    open_sessions = LiveSessions(1800, 60)
    for now, address, agent, body in traffic.bodies(visits):
        request = parse_request(
            "text/plain", json.dumps(body).encode(), timestamp=now, client_ip=address,
            user_agent=agent, ip_type=None,
        )  # fmt: skip
        context = EventContext(Event(0, 0, str(body["d"]), request))
        if run_steps(STEPS, context, reference) is not None:
            continue
        event = context.enriched(ids.getrandbits(64))
        open_sessions.expire(now)
        transition = open_sessions.transition(event, now)
        if transition is None:
            continue
        before, after = transition.before, transition.after
        states: tuple[tuple[object, ...], ...] = ()
        if before is None:
            states = (session_row(after, 1),)
        elif event.name != "engagement":
            states = (session_row(before, -1), session_row(after, 1))
        open_sessions.put(transition.after)
        yield EventRows(event_row(event, after), states)


async def measure(events: int) -> None:
    """Store the rows like the batcher does, and report the size of the tables."""
    with tempfile.TemporaryDirectory() as directory:
        store = EmbeddedStore(EmbeddedAddress(Path(directory) / "chdb"))
        await store.open()
        opened = resident()
        batch, stored, started = Batch(), 0, time.perf_counter()
        # A session has about five events.
        for each in rows(Traffic(), events // 5):
            batch.add(each)
            if len(batch) == BATCH:
                for insert in batch.inserts(f"sizing-{stored}"):
                    await store.insert(TABLES[insert.table], insert.rows, insert.token)
                stored += BATCH
                batch = Batch()
            if stored >= events:
                break
        print(f"{stored:,} events stored in {time.perf_counter() - started:.0f} s")
        print(f"memory: {opened / 1e6:.0f} MB opened, {resident() / 1e6:.0f} MB now")
        for settled in (False, True):
            await report(store, settled=settled)
        await store.aclose()


async def report(store: EmbeddedStore, *, settled: bool) -> None:
    """Print the size of the tables; `settled` means that all parts of a month were merged."""
    if settled:
        for table in ("events_v2", "sessions_v2"):
            await store._execute(f"OPTIMIZE TABLE {table} FINAL")
    print("merged into one part" if settled else "as merged so far")
    for line in await store.query(
        "SELECT table, sum(rows) AS rows, sum(data_compressed_bytes) AS compressed, "
        "sum(data_uncompressed_bytes) AS uncompressed, sum(bytes_on_disk) AS on_disk, "
        "count() AS parts FROM system.parts WHERE active AND table IN ('events_v2', 'sessions_v2') "
        "GROUP BY table ORDER BY table"
    ):
        found = json.loads(line)
        number = int(found["rows"])
        print(
            f"  {found['table']:<12} {number:>10,} rows {int(found['parts']):>4} parts "
            f"{int(found['on_disk']) / number:>7.1f} bytes a row on disk, "
            f"{int(found['uncompressed']) / number:>7.1f} uncompressed"
        )


if __name__ == "__main__":
    trio.run(measure, int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
