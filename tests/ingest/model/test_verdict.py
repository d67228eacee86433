from ingest.model.verdict import ACCEPTED, DropReason, Verdict

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
