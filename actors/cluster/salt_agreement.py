"""Keeps the salts on which the fronts of a cluster agree: in a topic, and on disk."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.cluster.failure import KafkaFailure
from actors.cluster.producer_thread import Message
from actors.cluster.topic_reader import TopicMessage
from actors.files.atomic import write_state
from actors.keepers.salt_keeper import delete_aside, keep_aside
from actors.supervision.actor import Actor
from ingest.engine.salt_agreement import DailySalt, SaltAgreement, day_of, decode_salt, encode_salt
from ingest.engine.salts_file import parse_agreed, serialise_agreed
from ingest.pipeline.reference import Reference
from ingest.plausible.salts import GRACE_SECONDS
from ingest.sessions.salts import Salt, Salts, fresh_key

log = structlog.get_logger()

RETRY_SECONDS: Final = 5.0
"""Delay before reading the topic, or writing the file, is tried again."""

SEND_SECONDS: Final = 10.0
"""How long Kafka may take to accept a proposal."""

REPEAT_SECONDS: Final = 30.0
"""Delay before a date is proposed again whose proposal was not read back."""


class TopicReading(Protocol):
    """What keepers need of a `TopicReader`."""

    caught_up: bool
    problem: str | None

    async def read(self) -> Sequence[TopicMessage]:
        """See `TopicReader.read`."""


Send = Callable[[Message], Awaitable[object]]
"""Sends a message, as `ProducerThread.send` does; raises `KafkaFailure`."""


def load_agreement(path: Path, now: float, jitter: float) -> SaltAgreement:
    """Load the salts of the last process. A file without valid salts is moved aside.

    Args:
        path: The state file; also that of a single process.
        now: Unix seconds.
        jitter: As for `SaltAgreement`.

    Raises:
        OSError: It cannot be read.
    """
    agreement = SaltAgreement(jitter)
    try:
        for salt in parse_agreed(path.read_text()):
            agreement.restore(salt)
    except FileNotFoundError:
        pass
    except ValueError as error:
        keep_aside(path, error)
    agreement.expire(now)
    return agreement


class SaltAgreementKeeper(Actor):
    """The actor that owns the salts' file, and follows the salts' topic.

    It proposes a salt for today if the topic has none, and one for tomorrow before midnight UTC;
    if Plausible's salts are followed, it proposes each when Plausible has made it. The first record
    of a date wins. Events get the salts of the time at which they were received. While Kafka is
    away at midnight the old salt stays in force. Salts are deleted 48 hours after they were made,
    from memory and disk; the topic deletes its own. A restart continues.
    """

    name = "salts"

    def __init__(
        self,
        path: Path,
        agreement: SaltAgreement,
        reference: Reference,
        clock: Clock,
        reader: TopicReading,
        send: Send,
        topic: str,
        theirs: Callable[[float], Salts | None] | None = None,
    ) -> None:
        """Own the file, and give the reference data the salts.

        Args:
            path: The state file.
            agreement: From `load_agreement`.
            reference: Where the salts are put in place.
            clock: The pipeline's time.
            reader: Reads the topic from its beginning; closed by the caller.
            send: Sends proposals.
            topic: The salts' topic.
            theirs: Gives Plausible's salts at a time (Unix seconds), None if they are not known;
                None if they are not followed.
        """
        self._path = path
        self._agreement = agreement
        self._clock = clock
        self._reader = reader
        self._send = send
        self._topic = topic
        self._theirs = theirs
        self._proposed = (-1, 0.0)
        self._saved: tuple[list[DailySalt], int] | None = None
        self._save_at = 0.0
        self._unwritten: str | None = None
        self._problem: str | None = None
        self._throwaway = Salts(Salt(fresh_key(), 0))
        reference.agreed_salts = self.salts_at

    def salts_at(self, received: int) -> Salts:
        """The salts for an event that was received at a time (Unix seconds).

        If there is none, events are refused (`accepting`). Those that are on their way get a salt
        that nobody keeps.
        """
        return self._agreement.salts_at(received) or self._throwaway

    @property
    def accepting(self) -> bool:
        """Whether there is a salt for events that are received now."""
        return self._agreement.salts_at(self._clock.now()) is not None

    async def run(self) -> None:
        """Agree forever."""
        while True:
            try:
                for message in await self._reader.read():
                    self._apply(message)
                self._problem = self._reader.problem
            except KafkaFailure as failure:
                if self._problem is None:
                    log.error("salts cannot be read", error=str(failure))
                self._problem = str(failure)
                await trio.sleep(RETRY_SECONDS)
            now = self._clock.now()
            self._agreement.expire(now)
            delete_aside(self._path, now)
            self._save(now)
            if self._reader.caught_up:
                await self._propose(now)

    def _apply(self, message: TopicMessage) -> None:
        if message.value is None:
            return
        try:
            salt = decode_salt(message.value)
        except ValueError as error:
            log.error("record of the salts' topic is left out", error=str(error))
            return
        if self._agreement.apply(salt, message.timestamp):
            log.info("salt agreed on", day=salt.day)

    async def _propose(self, now: float) -> None:
        theirs = self._plausible_salt(now)
        grace = None if self._theirs is None else GRACE_SECONDS
        proposal = self._agreement.proposal(now, fresh_key(), theirs, grace)
        if proposal is None:
            return
        proposed, at = self._proposed
        if proposed == proposal.day and trio.current_time() < at + REPEAT_SECONDS:
            return  # it is read back soon
        self._proposed = proposal.day, trio.current_time()
        try:
            with trio.fail_after(SEND_SECONDS):
                await self._send(Message(self._topic, 0, encode_salt(proposal)))
        except (KafkaFailure, trio.TooSlowError) as error:
            log.error("no salt can be proposed", error=str(error) or "Kafka does not answer")

    def _plausible_salt(self, now: float) -> Salt | None:
        """Plausible's current salt; None if it is not known, or not followed."""
        salts = None if self._theirs is None else self._theirs(now)
        return None if salts is None else salts.current

    def _save(self, now: float) -> None:
        """Make the file hold the salts; they are in force whether or not this succeeds."""
        agreed, day = self._agreement.agreed, day_of(now)
        if (agreed, day) == self._saved or trio.current_time() < self._save_at:
            return
        try:
            if agreed:
                write_state(self._path, serialise_agreed(agreed, day).encode(), durable=True)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            if self._unwritten is None:
                log.error("salts cannot be written", error=error.strerror)
            self._unwritten = f"the salts cannot be written: {error.strerror}"
            self._save_at = trio.current_time() + RETRY_SECONDS
        else:
            self._saved, self._unwritten = (agreed, day), None

    def status(self) -> dict[str, object]:
        """The salts' part of the readiness report."""
        now = self._clock.now()
        cause = "" if self._problem is None else f": {self._problem}"
        if not self.accepting:
            return {"status": "down", "reason": f"no salt is agreed on yet{cause}"}
        awaited = self._theirs is not None and self._agreement.awaits(now, GRACE_SECONDS)
        if not awaited and all(salt.day != day_of(now) for salt in self._agreement.agreed):
            reason = f"no salt for today is agreed on yet, yesterday's stays in force{cause}"
            return {"status": "degraded", "reason": reason}
        if self._unwritten is not None:
            return {"status": "degraded", "reason": self._unwritten}
        theirs = self._plausible_salt(now)
        if theirs is not None and self._agreement.overrules(theirs):
            reason = "the fronts had agreed on another salt before they saw Plausible's: until "
            reason += "midnight UTC visitors have other ids than in Plausible"
            return {"status": "degraded", "reason": reason}
        return {"status": "ok"}
