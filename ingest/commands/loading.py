"""Commands that are imported when they are used, so that the command line starts at once."""

import importlib

import click


class CommandToLoad(click.Command):
    """The name and the summary of a command, which are enough to list and to complete it."""

    def __init__(self, name: str, place: str, summary: str) -> None:
        """Describe a command.

        Args:
            name: As it is typed.
            place: The module in this package and the command's name there: `sites:sites`.
            summary: For the list of commands.
        """
        super().__init__(name, short_help=summary)
        self._place = place

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self._place.partition(":")
        command = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - a test loads all
        return command


class CommandGroup(click.Group):
    """A group that imports a command when it is run, or when its own parts are completed."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, CommandToLoad) else command, rest
