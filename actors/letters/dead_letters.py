"""The directory of dead letters."""

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from actors.files.atomic import write_atomically
from ingest.letters.dead_letter import Content, DeadLetter, describe, kind_of

log = structlog.get_logger()

LETTERS_LIMIT = 10_000
"""Letters kept before readiness turns red: something is wrong that nobody looks at."""


class LetterNotFoundError(LookupError):
    """No dead letter has that id."""


class DeadLetters:
    """A directory with one file per letter.

    `ID.json` is a letter. `ID.replay` is one that is to be put back: the command line renames it,
    also while the server runs or is stopped, and the server does the rest.
    """

    def __init__(
        self,
        directory: Path,
        now: Callable[[], float] = time.time,
        on_keep: Callable[[str], None] = lambda actor: None,
    ) -> None:
        """Use a directory; it is made when the first letter is kept.

        Args:
            directory: Where the files are.
            now: Gives the time in Unix seconds.
            on_keep: Told the actor's name for each letter.
        """
        self._directory = directory
        self._now = now
        self._on_keep = on_keep
        self._settled: set[str] = set()

    def __len__(self) -> int:
        return sum(1 for _ in self.ids())

    def ids(self, *, suffixes: tuple[str, ...] = (".json", ".replay")) -> Iterator[str]:
        """The ids of all letters, oldest first."""
        if not self._directory.is_dir():
            return
        for path in sorted(self._directory.iterdir()):
            if path.suffix in suffixes:
                yield path.stem

    def to_replay(self) -> list[str]:
        """The ids of the letters that are to be put back, oldest first."""
        marked = self.ids(suffixes=(".replay",))
        return [letter_id for letter_id in marked if letter_id not in self._settled]

    def is_marked(self, letter_id: str) -> bool:
        """Whether a letter is to be put back."""
        return self._path(letter_id).suffix == ".replay"

    def write(self, letter: DeadLetter, *, replay: bool = False) -> None:
        """Keep a letter on disk."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        suffix = ".replay" if replay else ".json"
        write_atomically(
            self._directory / f"{letter.id}{suffix}", letter.to_json().encode(), durable=True
        )

    def read(self, letter_id: str) -> DeadLetter:
        """Read a letter.

        Raises:
            LetterNotFoundError: There is none of that id.
            ValueError: The file is not a letter.
        """
        try:
            return DeadLetter.from_json(self._path(letter_id).read_text())
        except FileNotFoundError:
            raise LetterNotFoundError(letter_id) from None

    def mark(self, letter_id: str) -> None:
        """Have a letter put back by the server.

        Raises:
            LetterNotFoundError: There is none of that id.
        """
        path = self._path(letter_id)
        path.rename(path.with_suffix(".replay"))

    def unmark(self, letter_id: str) -> None:
        """Take back `mark`."""
        path = self._path(letter_id)
        path.rename(path.with_suffix(".json"))

    def drop(self, letter_id: str) -> None:
        """Delete a letter.

        Raises:
            LetterNotFoundError: There is none of that id.
        """
        self._path(letter_id).unlink()

    def settle(self, letter_id: str) -> None:
        """Delete a letter whose content has found another place. Never raises.

        One that cannot be deleted is not put back again, as long as this process lives.
        """
        try:
            self.drop(letter_id)
        except LetterNotFoundError:
            log.warning("dead letter was gone before it was put back", id=letter_id)
        except OSError as error:
            self._settled.add(letter_id)
            log.error(
                "dead letter is done with and cannot be deleted", id=letter_id, error=str(error)
            )

    def _path(self, letter_id: str) -> Path:
        if letter_id == os.path.basename(letter_id):
            for suffix in (".json", ".replay"):
                path = self._directory / f"{letter_id}{suffix}"
                if path.exists():
                    return path
        raise LetterNotFoundError(letter_id)

    def keep(
        self,
        actor: str,
        content: Content,
        error: Exception | str | None,
        *,
        replay: bool = False,
        key: str | None = None,
        letter: str | None = None,
    ) -> bool:
        """Set something aside. Never raises: when it cannot be kept, that is logged and counted.

        Args:
            actor: Who could not handle it.
            content: What it is; an event's address must have been shortened.
            error: Why: an exception, the store's message, or None when the actor had stopped.
            replay: Whether to put it back at the next start without being asked.
            key: What is kept once only, however often it is set aside; None: always.
            letter: Id of the letter that it was put back from, and goes into again: then it waits
                to be put back anew.

        Returns:
            Whether it is kept.
        """
        try:
            kept = self._keep(actor, content, error, replay, key, letter)
        except Exception as failure:
            # The text of anything but the disk's word might quote a visitor.
            reason = str(failure) if isinstance(failure, OSError) else type(failure).__name__
            log.critical("dead letter not kept", actor=actor, kind=kind_of(content), error=reason)
            kept = False
        self._on_keep(actor)
        return kept

    def _keep(
        self,
        actor: str,
        content: Content,
        error: Exception | str | None,
        replay: bool,
        key: str | None,
        letter_id: str | None,
    ) -> bool:
        now = self._now()
        name = secrets.token_hex(4)
        if key is not None:
            name = hashlib.blake2s(key.encode(), digest_size=8).hexdigest()
            if any(kept.endswith(name) for kept in self.ids()):
                return True
        letter = DeadLetter(
            id=letter_id or f"{int(now)}-{name}",
            kind=kind_of(content),
            actor=actor,
            created_at=int(now),
            error=error if isinstance(error, str) else describe(error),
            content=content,
        )
        if letter_id is None:
            self.write(letter, replay=replay)
        else:
            # In two steps, each of which leaves one file of that name.
            self.write(letter, replay=True)
            self.unmark(letter_id)
        log.error("dead letter kept", actor=actor, id=letter.id, error=letter.error)
        return True
