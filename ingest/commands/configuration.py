"""The settings of a command."""

import structlog

from ingest.settings import Settings, read_settings, unknown_variables
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
