"""The settings that a command works with."""

import structlog

from ingest.log import configure
from ingest.settings import Settings, read_settings, unknown_variables

log = structlog.get_logger()


def settings_of_command() -> Settings:
    """Read the settings, begin to log by them, and warn of variables that are misspelt.

    Raises:
        SettingsError: With all mistakes.
    """
    settings = read_settings()
    configure(settings.log_level, settings.log_format)
    for warning in unknown_variables():
        log.warning(warning)
    return settings
