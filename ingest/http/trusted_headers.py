"""Headers that only trusted proxies may set: the request's id and its parent trace."""

from collections.abc import Mapping
from functools import partial

from ingest.request.client_address import TrustedProxies
from ingest.telemetry.request_id import RequestId


def new_request_id(proxies: TrustedProxies, peer: str) -> RequestId:
    """Return a connection's request id, which changes with each request.

    Args:
        proxies: Peers that are trusted.
        peer: The address of the connection's peer.
    """
    return RequestId(partial(proxies.trusts, peer))


def traceparent(proxies: TrustedProxies, headers: Mapping[str, str], peer: str) -> str | None:
    """Return the `traceparent` header of a request if its peer is trusted; else None.

    Args:
        proxies: Peers that are trusted.
        headers: First occurrence of each header, by lower-case name.
        peer: The address of the connection's peer.
    """
    parent = headers.get("traceparent")
    return parent if parent is not None and proxies.trusts(peer) else None
