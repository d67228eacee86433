"""`sluice settings`: every setting with its meaning."""

from dataclasses import asdict

import click

from ingest.commands.output import json_option, print_json
from ingest.setting_display import describe_settings


@click.command("settings")
@json_option
def settings_command(*, as_json: bool) -> None:
    """Explain every setting."""
    if as_json:
        for setting in describe_settings():
            print_json(asdict(setting))
    else:
        click.echo(settings_text())


def settings_text() -> str:
    """Every setting with its default and meaning, as a block of text."""
    return "\n".join(
        f"{setting.name}  (default: {setting.default}"
        f"{''.join(f'; older name: {name}' for name in setting.older_names)})\n"
        f"    {setting.meaning}"
        for setting in describe_settings()
    )
