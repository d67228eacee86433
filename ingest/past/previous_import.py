"""Finds out by a file's content whether the file, or its beginning, was imported before."""

from collections.abc import Sequence

from ingest.past.import_state import HEAD_BYTES, ImportState, fresh_digest


class PreviousImportSearch:
    """Reads a file's content once, and compares it with the content of earlier imports.

    The file's name is not used, since logs are rotated, moved and compressed.

    Attributes:
        found: The import that has read the longest beginning of the file, or the latest of several;
            None if there is none.
        changed: An import of a file with the same head but different content; only meaningful if
            `found` is None.
    """

    def __init__(self, known: Sequence[ImportState]) -> None:
        """Search these imports.

        Args:
            known: Imports with the same format and the same site.
        """
        self._digest = fresh_digest()
        self._seen = 0
        self._waiting = sorted(
            (state for state in known if state.position),
            key=lambda state: (state.position, state.updated_at),
        )
        self._heads: dict[int, str] = {}
        self._lengths = sorted({min(state.position, HEAD_BYTES) for state in self._waiting})
        self._mismatched: list[ImportState] = []
        self.found: ImportState | None = None
        self.changed: ImportState | None = None

    @property
    def finished(self) -> bool:
        """Whether the search is complete."""
        return not self._waiting

    def feed(self, piece: bytes) -> None:
        """Add the next piece of the content."""
        start = 0
        while self._waiting and start < len(piece):
            target = self._lengths[0] if self._lengths else self._waiting[0].position
            part = piece[start : start + target - self._seen]
            self._digest.update(part)
            self._seen += len(part)
            start += len(part)
            if self._seen == target:
                self._compare()

    def end(self) -> None:
        """Finish the search at the end of the content."""
        self._mismatched.extend(self._waiting)
        self._waiting = []
        self._conclude()

    def _compare(self) -> None:
        digest = self._digest.hexdigest()
        if self._lengths and self._lengths[0] == self._seen:
            self._heads[self._lengths.pop(0)] = digest
            # Discard the imports of files with a different head.
            self._waiting = [
                state
                for state in self._waiting
                if min(state.position, HEAD_BYTES) != self._seen or state.head == digest
            ]
        while self._waiting and self._waiting[0].position == self._seen:
            state = self._waiting.pop(0)
            if state.digest == digest:
                self.found = state
            else:
                self._mismatched.append(state)
        if not self._waiting:
            self._conclude()

    def _conclude(self) -> None:
        for state in self._mismatched:
            if self._heads.get(min(state.position, HEAD_BYTES)) == state.head:
                self.changed = state
