"""Settings as they are shown: their documentation, and their values with secrets masked."""

import re
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from ingest.settings import Settings, setting_names

HIDDEN: Final = "***"

# Hide too much rather than too little.
_SECRET_NAME: Final = re.compile(r"TOKEN|SECRET|PASSWORD|HEADERS|(?:^|_)KEY(?:_|$)")
_URL_PASSWORD: Final = re.compile(r"(://[^:/@]*:).*(@)")
_SECRET_PARAMETER: Final = re.compile(r"(?i)([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&]*")


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """A variable's documentation.

    Attributes:
        name: Name of the environment variable.
        default: Text of the default value; `unset` if there is none.
        meaning: Description of the variable.
        older_names: Earlier names, which still work.
    """

    name: str
    default: str
    meaning: str
    older_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A variable's value, with secrets masked.

    Attributes:
        name: Name of the environment variable.
        value: Text of the value; `HIDDEN` for secrets.
        given: Whether the variable was set; otherwise the value is the default.
        meaning: Description of the variable.
    """

    name: str
    value: str
    given: bool
    meaning: str


def describe_settings() -> tuple[SettingDescription, ...]:
    """Return all settings, in the order of their definition."""
    return tuple(
        SettingDescription(
            name, _default(field.default), field.description or "", tuple(older_names)
        )
        for field in Settings.model_fields.values()
        for name, *older_names in [setting_names(field)]
    )


def shown_settings(settings: Settings) -> tuple[ShownSetting, ...]:
    """Return the values of all settings, in the order of their definition, with secrets masked."""
    return tuple(
        ShownSetting(
            setting_names(field)[0],
            _shown(setting_names(field)[0], getattr(settings, attribute)),
            attribute in settings.model_fields_set,
            field.description or "",
        )
        for attribute, field in Settings.model_fields.items()
    )


def _shown(name: str, value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, SecretStr) or (_SECRET_NAME.search(name) and value != ""):
        return HIDDEN
    return without_secrets(_default(value))


def without_secrets(url: str) -> str:
    """Return a URL with its secrets masked."""
    return _SECRET_PARAMETER.sub(rf"\1{HIDDEN}", _URL_PASSWORD.sub(rf"\1{HIDDEN}\2", url))


def _default(value: object) -> str:
    return (
        "unset" if value in (None, "") else f"{value:g}" if isinstance(value, float) else str(value)
    )
