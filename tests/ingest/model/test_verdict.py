import pytest

from ingest.model.verdict import (
    ACCEPTED,
    LATE,
    NO_SESSION,
    NOT_KEPT,
    SET_ASIDE,
    Drop,
    DropReason,
    Verdict,
)

REASONS = [
    "spam_referrer",
    "not_found",
    "payment_required",
    "block",
    "throttle",
    "verification_agent",
    "dc_ip",
    "threat_ip",
    "site_hostname_allowlist",
    "site_page_blocklist",
    "site_ip_blocklist",
    "site_country_blocklist",
    "bot",
    "invalid",
    "no_session_for_engagement",
    "lock_timeout",
    "persist_timeout",
    "persist_error",
]


def test_reasons_have_the_names_and_the_order_of_the_specification() -> None:
    assert [reason.value for reason in DropReason] == REASONS


def test_metrics() -> None:
    assert ACCEPTED.metric == "buffered"
    assert [Verdict(reason).metric for reason in DropReason] == [
        f"dropped_{reason}" for reason in REASONS
    ]


def test_only_what_has_no_reason_is_accepted() -> None:
    assert ACCEPTED.accepted
    assert not any(Verdict(reason).accepted for reason in DropReason)


def test_a_drop_makes_a_verdict() -> None:
    verdict = Verdict.of(Drop(DropReason.BOT, "user agent of a crawler"))
    assert (verdict.reason, verdict.rule) == (DropReason.BOT, "user agent of a crawler")
    assert Verdict.of(None) == ACCEPTED
    assert ACCEPTED.rule == ""


@pytest.mark.parametrize(
    ("verdict", "reason", "rule"),
    [
        (NO_SESSION, "no_session_for_engagement", "no visit of this visitor is open"),
        (LATE, "lock_timeout", "no verdict in time, the client was told to try again"),
        (
            NOT_KEPT,
            "persist_timeout",
            "the journal did not take it, the client was told to try again",
        ),
        (SET_ASIDE, "persist_error", "an error of the server, see sluice dead-letters"),
    ],
)
def test_verdicts_that_no_step_gives(verdict: Verdict, reason: str, rule: str) -> None:
    assert (verdict.reason, verdict.rule) == (reason, rule)
    assert verdict == Verdict(DropReason(reason))
