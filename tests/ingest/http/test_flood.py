"""The limit to one address's requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.http.flood import MAX_ADDRESSES, WINDOW_SECONDS, FloodGuard

KEY = b"k" * 32
NOW = 1_000_000.0


def asked(guard: FloodGuard, *asked_at: float, address: str = "192.0.2.1") -> list[int]:
    return [guard.seconds_to_wait(address, NOW + seconds) for seconds in asked_at]


@pytest.mark.parametrize(
    ("limit", "seconds", "waits"),
    [
        pytest.param(3, [0, 0, 0, 0, 0], [0, 0, 0, 20, 20], id="a burst"),
        pytest.param(3, [0, 0, 0, 19, 20, 20], [0, 0, 0, 1, 0, 20], id="one more in time"),
        pytest.param(3, [0, 0, 0, 60, 60, 60, 60], [0, 0, 0, 0, 0, 0, 20], id="full after all"),
        pytest.param(3, [0, 20, 40, 60, 80], [0] * 5, id="at the rate"),
        pytest.param(1, [0, 0, 59.5, 60], [0, 60, 1, 0], id="one a minute"),
        pytest.param(7, [0] * 8, [0] * 7 + [9], id="rounded up"),
        pytest.param(3, [0, 0, 0, 9999, 9999, 9999, 9999], [0] * 6 + [20], id="no credit for rest"),
    ],
)
def test_waits(limit: int, seconds: list[float], waits: list[int]) -> None:
    assert asked(FloodGuard(limit, KEY), *seconds) == waits


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8:0:0:ffff::2", True),
        ("2001:db8::1", "2001:DB8::1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::1", True),
        ("unknown", "unknown", True),
        ("unknown", "other", False),
        ("\ud800", "\ud801", False),
    ],
)
def test_who_is_one_client(one: str, other: str, same: bool) -> None:
    guard = FloodGuard(1, KEY)
    assert guard.seconds_to_wait(one, NOW) == 0
    assert bool(guard.seconds_to_wait(other, NOW)) is same


def test_who_has_no_address_is_not_limited() -> None:
    assert asked(FloodGuard(1, KEY), 0, 0, 0, address="") == [0, 0, 0]


def test_no_address_is_kept() -> None:
    guard, other = FloodGuard(1, KEY), FloodGuard(1, b"l" * 32)
    for each in (guard, other):
        each.seconds_to_wait("192.0.2.1", NOW)
    (digest,), (another,) = guard._empty_at, other._empty_at
    assert digest != another
    assert bytes([192, 0, 2, 1]) not in digest
    assert len(digest) == 8


def test_the_one_that_was_silent_for_longest_is_forgotten() -> None:
    guard = FloodGuard(1, KEY, limit=2)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"):
        guard.seconds_to_wait(address, NOW)
    assert len(guard) == 2
    assert guard.seconds_to_wait("192.0.2.1", NOW) > 0
    assert guard.seconds_to_wait("192.0.2.2", NOW) == 0
    assert MAX_ADDRESSES >= 1


@given(
    st.integers(1, 200),
    st.lists(st.floats(0, 30), max_size=300),
)
def test_never_more_than_the_limit_and_its_rate(limit: int, pauses: list[float]) -> None:
    guard, now, admitted = FloodGuard(limit, KEY), NOW, 0
    for pause in pauses:
        now += pause
        wait = guard.seconds_to_wait("192.0.2.1", now)
        admitted += not wait
        assert 0 <= wait <= WINDOW_SECONDS
        assert admitted <= limit + (now - NOW) * limit / WINDOW_SECONDS + 1e-3


@given(st.integers(1, 200), st.integers(0, 300), st.floats(0, 100))
def test_after_the_wait_a_request_is_let_in(limit: int, burst: int, pause: float) -> None:
    guard = FloodGuard(limit, KEY)
    asked(guard, *[0.0] * burst)
    wait = guard.seconds_to_wait("192.0.2.1", NOW + pause)
    assert guard.seconds_to_wait("192.0.2.1", NOW + pause + wait) == 0 or not wait
