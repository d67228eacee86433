"""`sluice settings`: every setting with its meaning."""

import click

from ingest.settings import describe_settings


@click.command("settings")
def settings_command() -> None:
    """Explain every setting."""
    click.echo(settings_text())


def settings_text() -> str:
    """Every setting with its default and meaning, as a block of text."""
    return "\n".join(
        f"{setting.name}  (default: {setting.default}"
        f"{''.join(f'; older name: {name}' for name in setting.older_names)})\n"
        f"    {setting.meaning}"
        for setting in describe_settings()
    )
