"""The settings of a command."""

import os
import pwd
import sys
from pathlib import Path
from typing import Final, NamedTuple

import click
import structlog
from dotenv import dotenv_values

from ingest.commands.env_file import read_env_file
from ingest.settings import DOTENV, Settings, SettingsError, read_settings, unknown_variables
from ingest.telemetry.logs import configure

log = structlog.get_logger()

UNIT_FILE: Final = Path("/etc/sluice/environment")
"""Has the settings of the server that the systemd unit runs."""

_PLACES: Final = ("SLUICE_SITES", "SLUICE_STATE_DIR")
"""Settings that say which server a command is about."""


class Configuration(NamedTuple):
    """Settings, and where they are from.

    Attributes:
        settings: All settings.
        file: The file that was read besides the environment; it may be missing.
        unknown: A warning for each variable that looks like a misspelt setting.
    """

    settings: Settings
    file: Path
    unknown: tuple[str, ...]


def settings_of_command(*, of_unit: bool = True, as_owner: bool = False) -> Settings:
    """As `read_configuration`; also warn of misspelt variables."""
    configuration = read_configuration(of_unit=of_unit, as_owner=as_owner)
    for warning in configuration.unknown:
        log.warning(warning)
    return configuration.settings


def read_configuration(*, of_unit: bool = True, as_owner: bool = False) -> Configuration:
    """Read the settings, and configure logging.

    Variables of the environment win over those of one file: the one of `--env-file`, or else the
    systemd unit's, or else `.env`. The variables of `--env-file` and of the unit's file become part
    of this process's environment, as systemd does it.

    Args:
        of_unit: Whether the unit's file is read if the variables of the environment and of `.env`
            do not say where sites and state are.
        as_owner: Whether a process of root goes on as the owner of the state directory, if the
            settings are from the unit's file: for commands that write there, or in the store.

    Raises:
        SettingsError: With all mistakes.
    """
    file = _named_file()
    if file is None and of_unit and _is_about_the_unit():
        file = UNIT_FILE
        variables = _variables_of_unit()
        click.echo(f"Settings are from {UNIT_FILE}, as the server's.", err=True)
    else:
        variables = {} if file is None else read_env_file(file)
    for name, value in variables.items():
        os.environ.setdefault(name, value)
    dotenv = DOTENV if file is None else None
    settings = read_settings(dotenv)
    configure(settings.log_level, settings.log_format)
    if as_owner and file == UNIT_FILE:
        _act_as_owner(settings.state_dir)
    return Configuration(settings, file or DOTENV, unknown_variables(dotenv))


def _named_file() -> Path | None:
    """The file of `--env-file`."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.find_root().params.get("env_file")


def _is_about_the_unit() -> bool:
    if not os.path.exists(UNIT_FILE):
        return False
    given = os.environ.keys() | (dotenv_values(DOTENV).keys() if DOTENV.is_file() else set())
    return given.isdisjoint(_PLACES)


def _variables_of_unit() -> dict[str, str]:
    try:
        variables = read_env_file(UNIT_FILE)
    except SettingsError as error:
        raise SettingsError(
            f"{error}. It has the settings of this machine's server: run the command as root, or "
            "name another file with --env-file (/dev/null for the defaults)"
        ) from None
    missing = [name for name in _PLACES if name not in variables]
    if missing:
        raise SettingsError(
            f"{UNIT_FILE}: {' and '.join(missing)} missing, so the server's cannot be known: move "
            "what the systemd unit sets with Environment= into this file"
        )
    return variables


def _act_as_owner(directory: Path) -> None:
    """As root, go on as the owner of the state directory.

    Otherwise files would be created there, and in the embedded store, that the server cannot write.

    Raises:
        SettingsError: The owner cannot read Python's modules.
    """
    if os.geteuid() != 0 or not directory.exists():
        return
    status = directory.stat()
    if status.st_uid == 0:
        return
    try:
        os.initgroups(pwd.getpwuid(status.st_uid).pw_name, status.st_gid)
    except KeyError:
        os.setgroups([status.st_gid])
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    if not os.access(os.__file__, os.R_OK, effective_ids=True):
        raise SettingsError(
            f"the owner of {directory} cannot read the Python of this command, {sys.prefix}: use "
            "the server's own `sluice`"
        )
