"""Settings of a cluster, for tests."""

from typing import Final

from ingest.settings import Settings

CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n"
KEY: Final = "-----BEGIN PRIVATE KEY-----\nTUlJ\n-----END PRIVATE KEY-----\n"


def settings_of(**variables: str) -> Settings:
    """Settings from these variables alone, and from defaults."""
    return Settings(_env_file=None, **variables)  # type: ignore[call-arg, arg-type]
