"""Says what to do when PostgreSQL cannot be read."""

from typing import Final

_ADVICE: Final = (
    (
        ("resolve host", "translate host name", "name or service not known"),
        "check the name of the host in the URL",
    ),
    (
        ("connection refused", "no such file or directory"),
        "check host and port; start PostgreSQL, and let it listen there (listen_addresses)",
    ),
    (
        ("timeout expired", "timed out", "no route to host", "network is unreachable"),
        "check the address, and that no firewall is in between",
    ),
    (
        ("password authentication failed", "no password supplied"),
        "check user and password; in the URL write the signs @ : / ? # % of a password as "
        "%40 %3A %2F %3F %23 %25",
    ),
    (
        ("pg_hba.conf",),
        "let this host in: add it to pg_hba.conf; if it asks for encryption, add "
        "?sslmode=require to the URL",
    ),
    (("ssl", "certificate"), "check sslmode and sslrootcert in the URL"),
    (
        ("permission denied",),
        "GRANT SELECT on the whole table to this user, as docs/plausible.md shows",
    ),
    (("too many", "connection slots"), "one connection is needed: raise max_connections"),
    (("starting up", "shutting down"), "wait: PostgreSQL is starting or stopping"),
    (("xmin",), "let this user read the tables themselves; views do not show what has changed"),
    (("does not exist",), "check the name of the database in the URL"),
)
"""Parts of the messages of libpq and PostgreSQL in lower case, and what to do."""


def advice_on(message: str) -> str:
    """Return what to do about a message of libpq or PostgreSQL; empty if that is not known."""
    text = message.lower()
    return next((advice for parts, advice in _ADVICE if any(part in text for part in parts)), "")
