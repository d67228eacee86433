"""Anonymous visitor ids: a keyed hash of address, user agent and domain (spec/sessions.md §1)."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from publicsuffixlist import PublicSuffixList
from siphashc import siphash

from ingest.model.event import Visitor
from ingest.sessions.salts import Salts

_MAX_HOSTNAME: Final = 253  # characters, RFC 1035; a longer one is no domain
_IPV4: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_SUFFIXES: Final = PublicSuffixList()

user_id: Final[Callable[[bytes, bytes], int]] = siphash
"""Computes one id of the salt's 16 bytes and of what identifies the visitor: SipHash-2-4, an
unsigned number of 64 bits."""


def identify(salts: Salts, identity: bytes) -> Visitor:
    """Compute a visitor's ids with the current and the previous salt.

    Args:
        salts: The salts in force.
        identity: What identifies the visitor.
    """
    previous = salts.previous
    return Visitor(
        user_id(salts.current.key, identity),
        None if previous is None else user_id(previous.key, identity),
    )


def identity(user_agent: str | None, client_ip: str, domain: str, hostname: str) -> bytes:
    """The bytes that identify a visitor: the parts joined. Never stored nor logged.

    Args:
        user_agent: The header as sent; None counts as empty.
        client_ip: The visitor's address as text.
        domain: The site's domain as the client sent it, cleaned.
        hostname: The page's host.
    """
    text = f"{user_agent or ''}{client_ip}{domain}{registrable_domain(hostname)}"
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate from a JSON escape
        return text.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=4096)
def registrable_domain(hostname: str) -> str:
    """The registrable domain, by the Public Suffix List with its private section.

    Subdomains of one registrable domain share their visitors. A host without one is returned as it
    is: an address, a single label, a public suffix, `(none)`, anything that is not a host name.
    """
    if len(hostname) > _MAX_HOSTNAME or ":" in hostname or _IPV4.fullmatch(hostname):
        return hostname
    return _SUFFIXES.privatesuffix(hostname) or hostname
