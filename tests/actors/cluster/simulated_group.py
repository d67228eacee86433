"""A group's coordinator and its members, with what goes wrong between them, on trio's clock.

Modelled after Kafka's classic protocol with cooperative rebalances: partitions are first given up
and then given. A commit is checked for its member and generation, not for who owns the partition.
It may be refused, or applied without an answer, or dropped, or applied late.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from random import Random

import trio

from actors.cluster.admin import CommittedOffset
from actors.cluster.membership import Holder, Holding, Membership, Outcome
from actors.cluster.topic_reader import TopicMessage

SESSION_SECONDS = 15.0
REVOKE_SECONDS = 8.0
PAUSE = 0.2


@dataclass
class Member:
    """A member, as the coordinator sees it."""

    beat: float
    owned: set[int]
    target: set[int] = field(default_factory=set)
    joined: bool = False
    generation: int = -1


@dataclass
class LateCommit:
    member: str
    generation: int
    partition: int
    commit: CommittedOffset


class Coordinator:
    """Knows the members, gives out partitions, and keeps commits."""

    def __init__(self, random: Random, partitions: int) -> None:
        self.random = random
        self.partitions = partitions
        self.commits: dict[int, CommittedOffset] = {}
        self.late: list[LateCommit] = []
        self.members: dict[str, Member] = {}
        self.generation = 0
        self.state = "stable"
        self.since = 0.0
        self.trouble = 0.0
        self.unrest = 0.0
        self.refusals = self.unanswered = self.late_applied = self.rebalances = 0

    def join(self, name: str, owned: set[int]) -> None:
        member = self.members.setdefault(name, Member(0.0, set()))
        member.beat, member.owned = trio.current_time(), set(owned)
        if self.state != "preparing":
            self.prepare()
        member.joined = True

    def prepare(self) -> None:
        self.state, self.since = "preparing", trio.current_time()
        for member in self.members.values():
            member.joined = False

    def leave(self, name: str) -> None:
        if self.members.pop(name, None):
            self.prepare()

    def step(self) -> None:
        now = trio.current_time()
        for name, member in list(self.members.items()):
            late = self.state == "preparing" and not member.joined
            if now - member.beat > SESSION_SECONDS or (late and now - self.since > 30):
                self.leave(name)
        if self.late and self.random.random() < 0.2:
            late_one = self.late.pop(self.random.randrange(len(self.late)))
            if self.apply(late_one) is Outcome.ACCEPTED:
                self.late_applied += 1
        if self.state == "completing":
            if self.random.random() < 0.5:
                self.state = "stable"
        elif self.state == "preparing":
            if self.members and all(member.joined for member in self.members.values()):
                self._share_out()
        elif self.members:
            given = set[int]().union(*(member.target for member in self.members.values()))
            unowned = len(given) < self.partitions
            settled = not any(member.owned - member.target for member in self.members.values())
            if (unowned and settled) or self.random.random() < self.unrest:
                self.prepare()

    def _share_out(self) -> None:
        self.rebalances += 1
        self.generation, self.state = self.generation + 1, "completing"
        for member in self.members.values():
            member.target, member.generation = set(), self.generation
        for partition in range(self.partitions):
            owner = next((n for n, m in self.members.items() if partition in m.owned), None)
            stays = owner is not None and (not self.unrest or self.random.random() < 0.6)
            wanted = owner if stays else self.random.choice(sorted(self.members))
            if owner in (None, wanted):
                self.members[str(wanted)].target.add(partition)

    def apply(self, late: LateCommit) -> Outcome:
        if late.member not in self.members or late.generation != self.generation:
            return Outcome.REFUSED
        if self.state == "completing":
            return Outcome.REFUSED
        self.commits[late.partition] = late.commit
        return Outcome.ACCEPTED

    def commit(self, sent: LateCommit) -> Outcome:
        chance = self.random.random()
        if chance >= self.trouble:
            outcome = self.apply(sent)
            self.refusals += outcome is Outcome.REFUSED
            return outcome
        self.unanswered += 1
        if chance < self.trouble * 0.4:
            self.apply(sent)
        elif chance < self.trouble * 0.8:
            self.late.append(sent)
        return Outcome.UNANSWERED


class Process:
    """What can be paused: everything that it does to the outside waits until it goes on."""

    def __init__(self) -> None:
        self._awake = trio.Event()
        self._awake.set()

    def pause(self) -> None:
        if self._awake.is_set():
            self._awake = trio.Event()

    def go_on(self) -> None:
        self._awake.set()

    @property
    def paused(self) -> bool:
        return not self._awake.is_set()

    async def awake(self) -> None:
        await self._awake.wait()


class _Request:
    def __init__(self, holding: Holding, commit: CommittedOffset) -> None:
        self.holding = holding
        self.commit = commit
        self.done = trio.Event()
        self.outcome = Outcome.NOT_MINE

    def settle(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.done.set()


class SimulatedMembership(Membership):
    """One consumer: polls, rebalances and commits in one task, as the thread does."""

    def __init__(
        self,
        name: str,
        process: Process,
        coordinator: Coordinator,
        messages: list[list[TopicMessage]],
        low: list[int],
    ) -> None:
        self.proven_at = -math.inf
        self.rejoined = 0
        self._name = name
        self._process = process
        self._coordinator = coordinator
        self._random = coordinator.random
        self._messages = messages
        self._low = low
        self._numbers = 0
        self._held: dict[int, Holding] = {}
        self._expected: dict[int, tuple[int, int]] = {}
        self._paused: set[int] = set()
        self._requests: deque[_Request] = deque()
        self._released: set[Holding] = set()
        self._revoking: set[int] = set()
        self._deadline = 0.0
        self._rejoining = False
        self.leaving = False
        self._leave_at = math.inf
        self._holder: Holder
        self._lives = 0
        self._out()

    def _out(self) -> None:
        self._state, self._generation = "out", -1
        self._lives += 1
        self.member = f"{self._name}-{self._lives}"
        self._revoking = set()
        self._rejoining = False
        self.proven_at = -math.inf

    # As a membership.

    def holds(self, holding: Holding) -> bool:
        return self._held.get(holding.partition) == holding

    async def commit(self, holding: Holding, offset: int, metadata: str) -> Outcome:
        request = _Request(holding, CommittedOffset(offset, metadata))
        self._requests.append(request)
        await request.done.wait()
        return request.outcome

    def start(self, holding: Holding, offset: int) -> int:
        self._numbers += 1
        if self.holds(holding):
            self._expected[holding.partition] = (self._numbers, offset)
            self._paused.discard(holding.partition)
        return self._numbers

    def pause(self, holding: Holding) -> None:
        if self.holds(holding):
            self._paused.add(holding.partition)

    def resume(self, holding: Holding) -> None:
        if self.holds(holding):
            self._paused.discard(holding.partition)

    def release(self, holding: Holding) -> None:
        self._released.add(holding)

    def rejoin(self) -> None:
        self._rejoining = True

    def close(self) -> None:
        self.leaving = True
        self._leave_at = trio.current_time() + REVOKE_SECONDS

    # As the thread.

    async def run(self, holder: Holder) -> None:
        self._holder = holder
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beat)
            leaving = False
            while True:
                await self._process.awake()
                if self.leaving and not leaving:
                    leaving = True
                    for holding in list(self._held.values()):
                        holder.revoked(holding)
                await self._step()
                over = trio.current_time() >= self._leave_at
                if leaving and (over or self._released.issuperset(self._held.values())):
                    break
                await trio.sleep(self._random.choice([0.02, 0.05, 0.2]))
            self._discard(set(self._held))
            self._coordinator.leave(self.member)
            self._serve_all()
            nursery.cancel_scope.cancel()
        holder.ended(None)

    async def _beat(self) -> None:
        while True:
            await self._process.awake()
            member = self._coordinator.members.get(self.member)
            if member is not None:
                member.beat = trio.current_time()
            await trio.sleep(1)

    def _discard(self, partitions: set[int]) -> None:
        for partition in partitions:
            holding = self._held.pop(partition, None)
            self._expected.pop(partition, None)
            self._paused.discard(partition)
            if holding is not None:
                self._released.discard(holding)
                self._holder.discarded(holding)

    async def _step(self) -> None:
        group = self._coordinator
        me = group.members.get(self.member)
        if self._state != "out" and (me is None or self._rejoining):
            if self._rejoining:
                self.rejoined += 1
                group.leave(self.member)
            self._discard(set(self._held))
            self._out()
            return
        if self._revoking:
            await self._serve()
            over = trio.current_time() >= self._deadline
            waiting = {self._held[each] for each in self._revoking if each in self._held}
            if over or self._released.issuperset(waiting):
                self._discard(self._revoking)
                self._revoking = set()
                group.join(self.member, set(self._held))
                self._state = "joining"
            return
        if self._random.random() < 0.8:
            await self._serve()
            me = group.members.get(self.member)
        if self._state == "out":
            group.join(self.member, set())
            self._state = "joining"
        elif me is None:
            return
        elif group.state == "preparing" and not me.joined:
            group.join(self.member, set(self._held))
            self._state = "joining"
        elif (
            self._state == "joining"
            and me.generation == group.generation
            and group.state != "preparing"
        ):
            self._generation, self._state = group.generation, "syncing"
        elif self._state == "syncing" and group.state == "stable":
            self._state = "stable"
            self._rebalance(me)
        self._deliver()

    def _rebalance(self, me: Member) -> None:
        self._revoking = set(self._held) - me.target
        if not self.leaving:
            for partition in sorted(me.target - set(self._held)):
                self._numbers += 1
                self._held[partition] = Holding(partition, self._numbers)
                self._holder.assigned(self._held[partition])
        self._deadline = trio.current_time() + REVOKE_SECONDS
        for partition in self._revoking:
            self._holder.revoked(self._held[partition])

    async def _serve(self) -> None:
        if not self._requests:
            return
        request = self._requests.popleft()
        if not self.holds(request.holding):
            request.settle(Outcome.NOT_MINE)
            return
        sent_at = trio.current_time()
        sent = LateCommit(self.member, self._generation, request.holding.partition, request.commit)
        outcome = self._coordinator.commit(sent)
        await trio.sleep(2.0 if outcome is Outcome.UNANSWERED else 0.01)
        await self._process.awake()
        if outcome is Outcome.ACCEPTED:
            self.proven_at = sent_at
        request.settle(outcome)

    def _serve_all(self) -> None:
        while self._requests:
            self._requests.popleft().settle(Outcome.NOT_MINE)

    def _deliver(self) -> None:
        for partition, (start, offset) in list(self._expected.items()):
            if partition in self._paused:
                continue
            holding = self._held[partition]
            if offset < self._low[partition]:
                self._holder.out_of_range(holding, start)
                continue
            messages = self._messages[partition][offset : offset + self._random.randint(1, 5)]
            if messages:
                self._expected[partition] = (start, offset + len(messages))
                self._holder.received(holding, start, messages)
