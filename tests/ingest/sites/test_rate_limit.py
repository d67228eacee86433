import pytest

from ingest.sites.rate_limit import KEPT_WINDOWS, Forecast, RateLimiter
from ingest.sites.site import RateLimit, Site

HOUR = 3600
NOON = 1_700_000_000 - 1_700_000_000 % HOUR


def site(events: int = 2, seconds: int = HOUR, domain: str = "example.com") -> Site:
    return Site(1, domain, rate_limit=RateLimit(events, seconds))


def allowed(limiter: RateLimiter, limited: Site, *times: int) -> list[bool]:
    return [limiter.allow(limited, now) for now in times]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param((0, 0, 0, 0), [True, True, False, False], id="last-one-passes"),
        pytest.param((0, HOUR - 1, HOUR - 1), [True, True, False], id="whole-window"),
        pytest.param((HOUR - 1,) * 3 + (HOUR,), [True, True, False, True], id="new-window"),
        pytest.param((1799, 1800, 3599, 3600), [True, True, False, True], id="aligned-to-epoch"),
        pytest.param((0, 0, HOUR, HOUR, 0, HOUR), [True] * 4 + [False] * 2, id="late-event"),
        pytest.param((0, 0, -HOUR, -HOUR, -1), [True] * 4 + [False], id="clock-set-back"),
    ],
)
def test_allow(times: tuple[int, ...], expected: list[bool]) -> None:
    assert allowed(RateLimiter(), site(), *(NOON + time for time in times)) == expected


def test_sites_without_limit_are_not_counted() -> None:
    limiter = RateLimiter()
    assert allowed(limiter, Site(1, "example.com"), *[NOON] * 1000) == [True] * 1000
    assert len(limiter) == 0


def test_sites_are_counted_apart() -> None:
    limiter = RateLimiter()
    assert allowed(limiter, site(1, domain="a.example"), NOON, NOON) == [True, False]
    assert allowed(limiter, site(1, domain="b.example"), NOON, NOON) == [True, False]


def test_a_changed_threshold_applies_to_the_window_under_way() -> None:
    limiter = RateLimiter()
    assert allowed(limiter, site(1), NOON, NOON) == [True, False]
    assert allowed(limiter, site(4), NOON, NOON) == [True, True]


def test_a_changed_window_length_counts_anew() -> None:
    limiter = RateLimiter()
    assert allowed(limiter, site(1), NOON, NOON) == [True, False]
    assert allowed(limiter, site(1, 60), NOON) == [True]


def test_old_windows_are_forgotten_and_the_current_one_is_not() -> None:
    limiter = RateLimiter()
    assert allowed(limiter, site(1), NOON, NOON - HOUR) == [True, True]
    for number in range(2, 2 + KEPT_WINDOWS):
        assert allowed(limiter, site(1), NOON - HOUR * number, NOON) == [True, False]
    assert allowed(limiter, site(1), NOON - HOUR) == [True]


def test_sites_whose_windows_are_over_are_forgotten() -> None:
    limiter = RateLimiter()
    for number in range(5000):
        limiter.allow(site(1, 1, f"{number}.example"), NOON + number)
    assert len(limiter) <= 2048


def test_sites_within_their_windows_are_never_forgotten() -> None:
    limiter = RateLimiter()
    sites = [site(1, HOUR, f"{number}.example") for number in range(5000)]
    assert all(limiter.allow(limited, NOON) for limited in sites)
    assert not any(limiter.allow(limited, NOON) for limited in sites)


def test_a_forecast_counts_nothing() -> None:
    site = Site(1, "example.com", rate_limit=RateLimit(2, 60))
    limiter = RateLimiter()
    forecast = Forecast(limiter)
    for used in range(3):
        assert forecast.used(site, 1000) == limiter.used(site, 1000) == used
        assert [forecast.allow(site, 1000) for _ in range(3)] == [used < 2] * 3
        assert limiter.allow(site, 1000) is (used < 2)
    assert forecast.used(site, 1060) == 0
    assert forecast.allow(Site(2, "other.com"), 1000)
    assert limiter.used(Site(2, "other.com"), 1000) == 0
    assert len(limiter) == 1


@pytest.mark.parametrize(
    ("events", "fronts", "share"),
    [(10, 1, 10), (10, 3, 3), (2, 3, 1), (0, 1, 0), (0, 3, 0)],
)
def test_fronts_share_a_limit(events: int, fronts: int, share: int) -> None:
    limiter = RateLimiter()
    limiter.fronts = fronts
    limited = site(events)
    forecast = Forecast(limiter)
    assert allowed(limiter, limited, *[NOON] * share) == [True] * share
    assert not forecast.allow(limited, NOON)
    assert not limiter.allow(limited, NOON)
