"""Settings that are not the defaults, and what forwarding headers mean under them."""

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from ingest.check.report import CheckResult, ok, warning
from ingest.request.client_address import TrustedProxies
from ingest.setting_display import without_secrets
from ingest.settings import Settings, setting_names
from ingest.telemetry.logs import mask_credentials

_ORDER: Final = "X-Plausible-IP, CF-Connecting-IP, B-Forwarded-For, X-Forwarded-For, Forwarded"
_KILLED_AFTER: Final = 30.0
"""Seconds after which Heroku and Kubernetes kill a process."""


def check_settings(
    settings: Settings, unknown: Iterable[str], *, file: Path | None = None
) -> Iterator[CheckResult]:
    """List the settings that differ from their defaults; secrets are masked.

    Args:
        settings: What is set.
        unknown: A warning for each variable that is no setting.
        file: The file that was read, too, if it exists.
    """
    if file is not None and file.exists():
        yield ok(f"{file} is read, the environment wins")
    changed = list(_changed(settings))
    yield from changed or [ok("all are the defaults; `sluice settings` explains them")]
    for text in unknown:
        name, _, why = text.partition(": ")
        yield warning(f"{name} is set but unknown", f"correct or remove it ({why})")
    if settings.durability == "memory":
        yield warning(
            "accepted events are in memory only until they are stored: kill -9 loses them",
            "set SLUICE_DURABILITY=journal",
        )
    if settings.local_sites is not None and isinstance(settings.sites, Path):
        yield warning(
            f"SLUICE_LOCAL_SITES is not read, because SLUICE_SITES is a file: {settings.sites}",
            "unset it, or set SLUICE_SITES to the URL of Plausible's PostgreSQL",
        )
    if settings.shutdown_seconds >= _KILLED_AFTER:
        yield warning(
            f"a shutdown may take {settings.shutdown_seconds:g} s; Heroku and Kubernetes kill "
            f"after {_KILLED_AFTER:g} s",
            "have the process manager wait longer (systemd: TimeoutStopSec), or set "
            "SLUICE_SHUTDOWN_SECONDS=25",
        )
    if settings.otlp_endpoint is not None and not _is_installed("opentelemetry"):
        yield warning(
            "traces are asked for, but OpenTelemetry is not installed: there will be none",
            "pip install 'sluice-collector[telemetry]'",
        )


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _changed(settings: Settings) -> Iterator[CheckResult]:
    for attribute, field in type(settings).model_fields.items():
        value = getattr(settings, attribute)
        if value != field.default:
            yield ok(f"{setting_names(field)[0]} = {masked_value(value)}")


def masked_value(value: object) -> str:
    """A setting's value, with secrets masked."""
    if isinstance(value, SecretStr):
        return f"*** ({len(value.get_secret_value())} characters)"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return mask_credentials(without_secrets(text))


def check_proxies(settings: Settings) -> Iterator[CheckResult]:
    """Explain which peers and which of their headers are trusted."""
    text = settings.trusted_proxies
    trusted = TrustedProxies.parse(text)
    name = f"SLUICE_TRUSTED_PROXIES={text}"
    if trusted.everyone:
        yield warning(
            f"{name}: every peer's headers are believed, so anybody can choose an address and "
            "pass the shields",
            "name your proxies' networks instead, unless only they can reach the port",
        )
    elif trusted.listed:
        yield ok(f"{name}: peers in {_networks(trusted)} are believed, others are the visitor")
    else:
        yield ok(f"{name}: peers on this machine and in private networks are believed")
    yield ok(f"of a believed peer the first of these counts: {_ORDER}")
    if trusted.listed:
        yield ok(
            "of a list of addresses the right-most counts that is in none of the networks; what "
            "a client puts before it changes nothing"
        )
    else:
        yield ok(
            "of a list of addresses the left-most counts: the proxy must replace what a client "
            "sent, or the networks of all proxies be named here"
        )
    if settings.flood_requests_per_minute and not trusted.listed and not trusted.everyone:
        yield ok(
            "the flood limit counts by that address; behind a proxy that is not believed all "
            "visitors share one"
        )


def check_access(settings: Settings) -> Iterator[CheckResult]:
    """Explain who can access metrics and queries."""
    if settings.admin_token is None:
        yield ok("/metrics answers this machine only, and not through a proxy on it")
    else:
        yield ok("/metrics answers whoever shows SLUICE_ADMIN_TOKEN")


def _networks(trusted: TrustedProxies) -> str:
    return ", ".join(map(str, trusted.networks))
