"""What became of an event: accepted, or dropped for one reason of a closed set."""

from dataclasses import dataclass
from enum import StrEnum


class DropReason(StrEnum):
    """Why an event was not stored.

    The values are Plausible's (`dropped_<value>` in `ingest_counters`); they stand in the order in
    which the pipeline tests them, so the first that applies is the one reported
    (spec/ingestion.md §10).
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
class Verdict:
    """The outcome for one domain of a request.

    Attributes:
        reason: Why the event was dropped; None when it was accepted.
    """

    reason: DropReason | None = None

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
        """Whether it is nobody's fault and passes: the event is to be sent again."""
        return self.reason in _PASSING


_PASSING = frozenset({DropReason.LOCK_TIMEOUT, DropReason.PERSIST_TIMEOUT})

ACCEPTED = Verdict()
