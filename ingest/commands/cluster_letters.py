"""The letters of a cluster's workers, for `sluice dead-letters`."""

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import click

from ingest.commands.explained_failure import explained
from ingest.engine.cluster_letters import ClusterLetters, KeptLetter
from ingest.engine.letter_record import LetterHeader, Mark
from ingest.settings import Settings, SettingsError

T = TypeVar("T")


class LettersOfCluster:
    """Reads and marks the letters of the cluster that the settings name; none if they name none.

    All methods raise `click.ClickException` if Kafka cannot be asked.
    """

    def __init__(self, settings: Settings) -> None:
        """Ask nothing yet."""
        self._settings = settings

    @property
    def _named(self) -> bool:
        return self._settings.kafka_url is not None or self._settings.kafka_brokers is not None

    def summaries(self) -> list[tuple[dict[str, object], bool]]:
        """For each letter, oldest first, its entry in a list, and whether it is to be replayed."""
        return [
            (_summary(letter.header), letter.redrive) for letter in self._survey().letters.values()
        ]

    def read(self, letter_id: str) -> dict[str, Any] | None:
        """The whole letter; None if there is none of that id."""
        letter = self._survey().letters.get(letter_id)
        if letter is None:
            return None
        return self._ask(lambda: self._read(letter))

    async def _read(self, letter: KeptLetter) -> dict[str, Any] | None:
        from ingest.server.cluster_letters import read_letter

        text = await read_letter(self._settings, letter)
        if text is None:
            return None
        if letter.header.kind == "message":
            return {**_summary(letter.header), "message": base64.b64encode(text).decode()}
        fields: dict[str, Any] = json.loads(text)
        return fields

    def mark(self, letter_ids: Sequence[str], mark: Mark) -> list[str]:
        """Mark letters.

        Returns:
            Those that there are.

        Raises:
            click.ClickException: Also if one of them cannot be replayed; then none is marked.
        """
        if not letter_ids:
            return []
        letters = self._survey().letters
        found = [letters[each].header for each in letter_ids if each in letters]
        for letter in found:
            if mark == "redrive" and letter.kind == "message":
                raise click.ClickException(
                    f"{letter.id} cannot be replayed: it is a message that cannot be decoded"
                )
        if found:
            self._ask(lambda: self._mark(found, mark))
        return [letter.id for letter in found]

    async def _mark(self, letters: Sequence[LetterHeader], mark: Mark) -> None:
        from ingest.server.cluster_letters import mark_letters

        await mark_letters(self._settings, letters, mark)

    def _survey(self) -> ClusterLetters:
        if not self._named:
            return ClusterLetters()
        from ingest.check.cluster import (
            CLIENT_MISSING,
            INSTALL_CLIENT,
            client_installed,
            silence_client,
        )

        if not client_installed():
            raise _problem(f"{CLIENT_MISSING}: {INSTALL_CLIENT}")
        silence_client()
        return self._ask(self._survey_topic)

    async def _survey_topic(self) -> ClusterLetters:
        from ingest.server.cluster_letters import survey_letters

        return await survey_letters(self._settings)

    def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        import trio

        from ingest.server.cluster_survey import NoClusterError

        try:
            with explained(self._settings):
                return trio.run(question)
        except click.ClickException as error:
            raise _problem(error.message) from None
        except (NoClusterError, SettingsError, ValueError) as error:
            raise _problem(str(error)) from None


def _problem(text: str) -> click.ClickException:
    return click.ClickException(f"letters of the cluster: {text}")


def _summary(letter: LetterHeader) -> dict[str, object]:
    return {
        "id": letter.id,
        "kind": letter.kind,
        "actor": letter.actor,
        "created_at": letter.created_at,
        "error": letter.error,
        **letter.about,
        "partition": letter.partition,
        "redriven": letter.redriven,
    }
