"""The settings of a command."""

import structlog

from ingest.settings import Settings, describe_settings, read_settings, unknown_variables
from ingest.telemetry.logs import configure

log = structlog.get_logger()


def settings_of_command(*, warn: bool = True) -> Settings:
    """Read the settings, configure logging, and warn about misspelt variables.

    Args:
        warn: Whether to warn.

    Raises:
        SettingsError: With all mistakes.
    """
    settings = read_settings()
    configure(settings.log_level, settings.log_format)
    for warning in unknown_variables() if warn else ():
        log.warning(warning)
    return settings


def settings_text() -> str:
    """Every setting with its default and meaning, as a block of text."""
    return "\n".join(
        f"{setting.name}  (default: {setting.default}"
        f"{''.join(f'; older name: {name}' for name in setting.older_names)})\n"
        f"    {setting.meaning}"
        for setting in describe_settings()
    )
