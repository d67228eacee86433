"""The states of a cluster's imports, in its control topic: records that all fronts read."""

import errno
import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import structlog
import trio

from actors.cluster.control import Control
from actors.cluster.failure import KafkaFailure
from actors.cluster.producer_thread import Message
from actors.cluster.salt_agreement import Send
from actors.imports.import_states import ImportStates
from ingest.engine.cluster import import_key
from ingest.past.formats import Format
from ingest.past.import_record import content_id, decode_import, encode_import, import_salt
from ingest.past.import_request import ImportRequest
from ingest.past.import_state import ID_BYTES, ImportState
from ingest.sessions.salts import Salt, Salts, fresh_key

log = structlog.get_logger()

RETRY_SECONDS: Final = 1.0
"""Delay before Kafka is asked again."""


class ClusterImports(ImportStates):
    """Any front goes on with an import, or knows that it was done.

    The id of an import is made of its content, and its salt of the one on which the fronts have
    agreed. So two fronts that import the same lines, because neither knows of the other yet, make
    the same events. No salt of an import is kept: it cannot be made again once the fronts have
    deleted theirs.
    """

    def __init__(
        self,
        control: Control,
        send: Send,
        topic: str,
        salts_at: Callable[[float], Salts | None],
        now: Callable[[], float],
    ) -> None:
        """Read and write the control topic of a front.

        Args:
            control: Has read the topic.
            send: Sends a message.
            topic: The control topic.
            salts_at: Gives the agreed salts at a time (Unix seconds); None if there are none.
            now: The time in Unix seconds.
        """
        self._control = control
        self._send = send
        self._topic = topic
        self._salts_at = salts_at
        self._now = now

    def new_id(self, request: ImportRequest, form: Format, head: bytes) -> str:
        """See `ImportStates.new_id`."""
        if request.anew:
            return secrets.token_hex(ID_BYTES)
        return content_id(head, form, request.selection)

    def new_salt(self, import_id: str, now: float) -> Salt:
        """See `ImportStates.new_salt`."""
        salts = self._salts_at(now)
        if salts is None:  # no other front can go on with it
            return Salt(fresh_key(), math.floor(now))
        return import_salt(salts.current, import_id)

    def states(self) -> Iterator[ImportState]:
        """See `ImportStates.states`; waits for Kafka."""
        agreed, records = trio.from_thread.run(self._known)
        for key, record in records:
            try:
                yield decode_import(record, agreed)
            except ValueError as error:
                log.warning("state of an import cannot be used", key=key, error=str(error))

    async def _known(self) -> tuple[Sequence[Salt], Sequence[tuple[bytes, bytes]]]:
        """The agreed salts, and the records, once this front has both."""
        while True:
            salts = self._salts_at(self._now())
            if salts is not None and self._control.caught_up:
                break
            await trio.sleep(RETRY_SECONDS)
        agreed = [salt for salt in (salts.current, salts.previous) if salt is not None]
        return agreed, list(self._control.cluster.imports.items())

    def save(self, state: ImportState) -> None:
        """See `ImportStates.save`; waits for Kafka."""
        message = Message(self._topic, 0, encode_import(state), import_key(state.id))
        trio.from_thread.run(self._keep, message)

    async def _keep(self, message: Message) -> None:
        while True:
            try:
                await self._send(message)
            except KafkaFailure as failure:
                if not failure.passing:
                    raise OSError(errno.EIO, str(failure)) from None
                await trio.sleep(RETRY_SECONDS)
            else:
                return

    def delete_old_salts(self, now: float, spared: str | None = None) -> Sequence[ImportState]:
        """See `ImportStates.delete_old_salts`: none is kept."""
        return ()
