"""The verdict on an event: accepted, or dropped for one of a fixed set of reasons."""

from dataclasses import dataclass, field
from enum import StrEnum


class DropReason(StrEnum):
    """Why an event was not stored.

    The values are Plausible's (`dropped_<value>` in `ingest_counters`). They are in the order in
    which the pipeline tests them; the first that applies is reported (spec/ingestion.md §10).
    """

    SPAM_REFERRER = "spam_referrer"
    NOT_FOUND = "not_found"
    PAYMENT_REQUIRED = "payment_required"
    BLOCK = "block"
    THROTTLE = "throttle"
    VERIFICATION_AGENT = "verification_agent"
    DC_IP = "dc_ip"
    THREAT_IP = "threat_ip"
    SITE_HOSTNAME_ALLOWLIST = "site_hostname_allowlist"
    SITE_PAGE_BLOCKLIST = "site_page_blocklist"
    SITE_IP_BLOCKLIST = "site_ip_blocklist"
    SITE_COUNTRY_BLOCKLIST = "site_country_blocklist"
    BOT = "bot"
    INVALID = "invalid"
    NO_SESSION_FOR_ENGAGEMENT = "no_session_for_engagement"
    LOCK_TIMEOUT = "lock_timeout"
    PERSIST_TIMEOUT = "persist_timeout"
    PERSIST_ERROR = "persist_error"


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a step drops an event.

    Attributes:
        reason: The reason that is counted.
        rule: What matched: a pattern or an entry as written in the sites file, or a phrase. It
            contains neither the visitor's address nor the user agent.
    """

    reason: DropReason
    rule: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one domain of a request.

    Attributes:
        reason: Why the event was dropped; None when it was accepted.
        rule: As in `Drop`; empty when the event was accepted. Ignored when verdicts are compared.
    """

    reason: DropReason | None = None
    rule: str = field(default="", compare=False)

    @classmethod
    def of(cls, drop: Drop | None) -> "Verdict":
        """The verdict for the result of the steps."""
        return ACCEPTED if drop is None else cls(drop.reason, drop.rule)

    @property
    def accepted(self) -> bool:
        """Whether the event will be stored."""
        return self.reason is None

    @property
    def metric(self) -> str:
        """The metric's name in `ingest_counters` (spec/schema.md §3)."""
        return "buffered" if self.reason is None else f"dropped_{self.reason}"

    @property
    def passing(self) -> bool:
        """Whether the reason is temporary, so that the event should be sent again."""
        return self.reason in _PASSING


_PASSING = frozenset({DropReason.LOCK_TIMEOUT, DropReason.PERSIST_TIMEOUT})

ACCEPTED = Verdict()
NO_SESSION = Verdict(DropReason.NO_SESSION_FOR_ENGAGEMENT, "no visit of this visitor is open")
LATE = Verdict(DropReason.LOCK_TIMEOUT, "no verdict in time, the client was told to try again")
NOT_KEPT = Verdict(
    DropReason.PERSIST_TIMEOUT, "the journal did not take it, the client was told to try again"
)
NOT_FORWARDED = Verdict(
    DropReason.PERSIST_TIMEOUT,
    "Kafka did not take it in time, the client was told to try again; it may be stored",
)
SET_ASIDE = Verdict(DropReason.PERSIST_ERROR, "an error of the server, see sluice dead-letters")
