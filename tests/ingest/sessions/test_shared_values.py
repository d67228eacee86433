from ingest.model.event import EnrichedEvent
from ingest.records.encoding import Decoder, encode
from ingest.sessions.session import Session, advance, begin, with_shared_values
from ingest.sessions.shared_values import SHARED_VALUES, share
from tests.examples import NOON, an_enriched_event

SHARED = (
    "hostname",
    "timestamp",
    "start",
    "entry_page",
    "exit_page",
    "exit_page_hostname",
    "duration",
    "attribution",
    "place",
    "device",
    "touched",
)


def from_a_log(event: EnrichedEvent) -> EnrichedEvent:
    """An event whose values are objects of its own."""
    return Decoder[EnrichedEvent](EnrichedEvent).decode(*encode(event))


def share_all(one: Session, other: Session) -> bool:
    return all(getattr(one, name) is getattr(other, name) for name in SHARED)


def test_gives_the_first_of_equal_values() -> None:
    first, second = "".join(("/pa", "ge")), "".join(("/pag", "e"))
    assert first is not second
    assert share(second) is share(first)


def test_remembers_a_limited_number_of_values() -> None:
    first, second = "".join(("/old ", "page")), "".join(("/old", " page"))
    share(first)
    for number in range(SHARED_VALUES):
        share(f"/another/{number}")
    assert share(second) is second


def test_sessions_of_a_log_share_their_values() -> None:
    event = an_enriched_event()
    one, other = (begin(from_a_log(event), NOON) for _ in range(2))
    assert one == begin(event, NOON)
    assert share_all(one, other)
    later = an_enriched_event(timestamp=NOON + 1000)
    one, other = (advance(each, from_a_log(later), NOON) for each in (one, other))
    assert share_all(one, other)


def test_restored_sessions_share_their_values() -> None:
    session = advance(
        begin(an_enriched_event(), NOON), an_enriched_event(timestamp=NOON + 1000), NOON
    )
    decoder = Decoder[Session](Session)
    one, other = (with_shared_values(decoder.decode(*encode(session))) for _ in range(2))
    assert one == other == session
    assert share_all(one, other)
