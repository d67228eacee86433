"""Parses referrers (spec/enrichment.md §4)."""

from functools import lru_cache
from typing import Final

import msgspec

from ingest.model.url import clean_host, split_url

ANDROID_APP: Final = "android-app"
_APP_PREFIX: Final = f"{ANDROID_APP}://"
_SCHEMES: Final = frozenset({"http", "https", ANDROID_APP})


class Referral(msgspec.Struct, frozen=True, gc=False):
    """A valid referrer: another site or an app.

    Attributes:
        host: The host without `www.`; for an app, with the scheme.
        path: The path as sent, without trailing slashes.
    """

    host: str
    path: str

    @property
    def referrer(self) -> str:
        """The value of the column `referrer`, without scheme, port, query and fragment."""
        return self.host + self.path


def parse_referral(referrer: str | None, page_hostname: str) -> Referral | None:
    """Parse a referrer.

    Args:
        referrer: The URL as sent; None when absent.
        page_hostname: The page's host without `www.`, which is not a valid referrer. Its
            sub-domains are.

    Returns:
        The referrer; None if it is not valid: a scheme other than the web's or an app's, no host,
        the page's own host, or `localhost`.
    """
    if not referrer:
        return None
    referral = _parse(referrer) if len(referrer) <= _CACHED_LENGTH else _parse.__wrapped__(referrer)
    if referral is None or referral.host.removeprefix(_APP_PREFIX) == page_hostname:
        return None
    return referral


_CACHED_LENGTH: Final = 500


@lru_cache(maxsize=4096)
def _parse(referrer: str) -> Referral | None:
    scheme, host, path = split_url(referrer)[:3]
    host = clean_host(host)
    if scheme not in _SCHEMES or not host or host == "localhost":
        return None
    return Referral(_APP_PREFIX + host if scheme == ANDROID_APP else host, path.rstrip("/"))
