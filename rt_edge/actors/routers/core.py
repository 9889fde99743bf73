"""The decisions of a router, without Thespian: what comes in, who gets it, what happens when somebody dies or is slow."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from rt_edge.actors.routers.members import Job, Member, Question, Surroundings
from rt_edge.actors.routers.messages import Routees, Work, Worked
from rt_edge.actors.routers.questions import LONGEST_S, Memory, Questions, failure
from rt_edge.actors.routers.settings import Overflow, RouterSettings
from rt_edge.data.errors import BufferOverflow, ConfigError, StreamError
from rt_edge.streams.routing.asking import AskPolicy, NoAnswer
from rt_edge.streams.routing.content import ByContent
from rt_edge.streams.routing.hashing import ConsistentHashing
from rt_edge.streams.routing.named import strategy
from rt_edge.streams.routing.rated import Yields
from rt_edge.streams.routing.weights import Priorities

ROUTEES_MOST = 1024


class RouterCore:
    """One router; see `RouterSettings` for what it does. Pools are in `rt_edge.actors.routers.pool`.

    Args:
        settings: how it routes.
        around: the actor it lives in.
        incarnation: of this life of the router; other lives' `Worked` are not taken.
        random: for chance, and the order of tail-chopping.
    """

    def __init__(self, settings: RouterSettings, around: Surroundings, incarnation: str, random: Random) -> None:
        self.settings = settings
        self.around = around
        self.incarnation = incarnation
        self.members: dict[str, Member] = {}
        self.counters: Counter[str] = Counter()
        self.priorities = Priorities()
        self.overflow: Overflow = settings.overflow
        self.waiting: deque[Job] = deque(maxlen=settings.queue + 1)  # one too many until the overflow has decided
        self._random = random
        self._yields = Yields()
        self._strategy = strategy(
            settings.strategy,
            random=random,
            now=around.now,
            priorities=self.priorities,
            virtual_nodes=settings.virtual_nodes,
            yields=self._yields,
        )
        self._by_number: dict[int, Member] = {}
        self._sweeping = False
        self.memory = Memory(around)
        self.questions = Questions(around, self.memory, self.counters, self.give)
        self._number = 0
        self._names = 0
        self.freed: Callable[[], None] = _nothing
        """Called when there may be room that there was not."""

    # -- messages ------------------------------------------------------------------------------------------------------

    def tell(self, payload: Any, sender: Any, operation: str = "", key: str = "") -> None:
        """Pass on."""
        if self._is_new(sender, operation):
            self.counters["tells"] += 1
            self._submit(Job(payload, key, operation, sender if operation else None))

    def broadcast(self, payload: Any, sender: Any, operation: str = "") -> None:
        """Pass on to all."""
        if self._is_new(sender, operation):
            self.counters["broadcasts"] += 1
            for member in self._up():
                self._give(Job(payload, "", operation, sender if operation else None, only=member.name), member)

    def worked(self, message: Worked) -> None:
        """A routee has finished something."""
        member = self._by_number.pop(message.number, None) if message.router == self.incarnation else None
        if member is None:
            self.counters["repeated"] += 1
            return
        job, _ = member.jobs.pop(message.number)
        member.handled += 1
        if message.error:
            member.failed += 1
            self._job_failed(job, member, StreamError(f"{member.name}: {message.error}"))
        else:
            self._yields.note(member.name, 1, self.around.now())
            self._job_done(job, member, message.payload)
        self.pump(member)

    def routees(self, number: int) -> Routees:
        """What `GetRoutees` is answered."""
        infos = tuple(member.info(self.priorities.of(member.name)) for member in self.members.values())
        return Routees(number, self.settings.strategy, infos, len(self.waiting), dict(self.counters))

    def ask(self, payload: Any, sender: Any, operation: str, timeout: float, key: str = "") -> None:
        """Pass on, and see to it that there is one answer in time."""
        if self.memory.answer_again(sender, operation):
            self.counters["repeated"] += 1
            return
        self.counters["asks"] += 1
        question = Question(sender, operation)
        if not 0 < timeout <= LONGEST_S:
            self.questions.fail(question, ConfigError(f"the timeout is {timeout!r}, it has to be more than 0 and at most a day"))
            return
        question.cancel = self.around.after(timeout, self.questions.expired, question)
        question.job = Job(payload, key, operation, None, question)
        kind = self.settings.asking
        if kind == "one" or (kind == "tail_chopping" and timeout <= self.settings.interval):
            self._submit(question.job)
            return
        names = [member.name for member in self._up()]
        self._random.shuffle(names)
        self.questions.begin(question, AskPolicy(kind=kind, within=LONGEST_S, interval=self.settings.interval), names)

    def give(self, job: Job, name: str) -> bool:
        """Give a job to the routee of that name, now or when it has room; False: it is gone."""
        member = self.members.get(name)
        if member is None or member.state != "running":
            return False
        self._give(job, member)
        return True

    # -- members -------------------------------------------------------------------------------------------------------

    def add(self, address: Any, name: str = "", where: str = "", priority: int = 1) -> str:
        """One more; adding one that is there changes its condition and priority. Returns its name.

        Raises:
            ConfigError: the name is another one's, the condition or priority is none, or there are too many.
        """
        member = self.find(address)
        if member is None:
            if not name:
                self._names += 1
                name = f"routee-{self._names}"
            if name in self.members or len(self.members) >= ROUTEES_MOST:
                raise ConfigError(f"there is a routee {name!r} already, or {ROUTEES_MOST} in all")
            member = Member(name, address, self.settings.window, self.settings.queue)
        self.priorities.set(member.name, priority)
        if isinstance(self._strategy, ByContent):
            self._strategy.set(member.name, where or None)
        member.state = "running"
        member.began = self.around.now()
        self.members[member.name] = member
        self.pump(member)
        return member.name

    def remove(self, name: str) -> None:
        """Let it finish what it has; what waits for it goes to others."""
        member = self.members.get(name)
        if member is None or member.state == "leaving":
            return
        member.state = "leaving"
        self._resubmit(member)
        self._leave_if_done(member)

    def died(self, address: Any) -> Member | None:
        """A routee is dead: what it had fails or goes elsewhere. A group forgets it; returns it."""
        member = self.find(address)
        if member is None:
            return None
        self.counters["deaths"] += 1
        stays = self.settings.size > 0 and member.state != "leaving"
        member.address = None
        member.state = "waiting"
        error = StreamError(f"{member.name} died")
        jobs, member.jobs = member.jobs, {}
        if not stays:
            self.forget(member)
        for number, (job, _) in jobs.items():
            self._by_number.pop(number, None)
            if stays:
                job.tried.discard(member.name)  # the next one of this name is another one
            self._job_failed(job, member, error, died=True)
        self._resubmit(member)
        self.pump()
        return member

    def revived(self, member: Member, address: Any) -> None:
        """It runs again."""
        member.address, member.state = address, "running"
        member.starts += 1
        member.began = self.around.now()
        self.pump(member)

    def forget(self, member: Member) -> None:
        """It is gone for good; whoever was to ask it asks another one."""
        self.members.pop(member.name, None)
        self._yields.forget(member.name)

    def find(self, address: Any) -> Member | None:
        """The routee at this address."""
        there = [member for member in self.members.values() if member.address is not None]
        return next((member for member in there if self.around.same(member.address, address)), None)

    def stop_all(self) -> None:
        """No more routees; what waits is dropped."""
        for member in list(self.members.values()):
            self.remove(member.name)
        while self.waiting:
            self._drop(self.waiting.popleft(), "stopped", StreamError("the routees were stopped"))

    # -- dispatch ------------------------------------------------------------------------------------------------------

    def pump(self, member: Member | None = None) -> None:
        """Send what can be sent: what waits for `member`, then what waits for anybody."""
        if member is not None:
            while member.queue and member.room > 0:
                self._send(member.queue.popleft(), member)
            self._leave_if_done(member)
        while self.waiting and self._route(self.waiting[0]):
            self.waiting.popleft()
        self.freed()

    def credit(self) -> int:
        """Messages there is room for now: what all routees have together, or, where each of them gets every message, the one that
        has least. Never more than may wait: by key, all of them may be for one."""
        rooms = [member.look().credit for member in self._up()]
        if not rooms:
            return 0
        everyone = self.settings.strategy == "broadcast" or self.settings.asking in {"scatter_gather", "everyone"}
        return max(0, min((min if everyone else sum)(rooms) - len(self.waiting), self.settings.queue))

    def _submit(self, job: Job) -> None:
        if self.waiting or not self._route(job):
            self._enqueue(self.waiting, job)

    def _route(self, job: Job) -> bool:
        """Give it away, if there is somebody for it; returns whether it is dealt with."""
        if job.question is not None and job.question.over:
            return True
        up = self._up()
        members = [member for member in up if member.name not in job.tried]
        if not members:
            if up:
                self._drop(job, "nobody_left", StreamError("every routee that could be asked has failed"))
                return True
            return False
        routees = [member.look() for member in members]
        seen = (job.key or job.payload) if isinstance(self._strategy, ConsistentHashing) else job.payload
        try:
            if not self._strategy.wanted(seen, routees):
                self._drop(job, "unrouted", StreamError("no routee wants it"))
                return True
            chosen = self._strategy.choose(seen, routees)
        except Exception as error:  # noqa: BLE001 - a payload that is no key, a condition that fails on it: its own fault
            self._drop(job, "unroutable", error)
            return True
        if not chosen:
            return False
        self._strategy.sent(chosen, routees)
        self._give_to(job, [members[place] for place in chosen])
        return True

    def _give_to(self, job: Job, members: Sequence[Member]) -> None:
        question = job.question
        if len(members) > 1 and question is not None:  # as behind a `broadcast`: done when all have done it
            names = [member.name for member in members]
            self.questions.begin(question, AskPolicy(kind="everyone", within=LONGEST_S), names)
        elif len(members) > 1:
            for member in members:
                self._give(Job(job.payload, job.key, job.operation, job.teller, only=member.name), member)
        else:
            self._give(job, members[0])

    def _give(self, job: Job, member: Member) -> None:
        if member.room > 0 and not member.queue:
            self._send(job, member)
        else:
            self._enqueue(member.queue, job)

    def _send(self, job: Job, member: Member) -> None:
        if job.question is not None and job.question.over:
            return
        self._number += 1
        member.jobs[self._number] = job, self.around.now()
        self._by_number[self._number] = member
        job.tried.add(member.name)
        self.around.send(member.address, Work(self.incarnation, self._number, min(member.jobs), job.payload))
        if not self._sweeping:
            self._sweeping = True
            self.around.after(self.settings.unanswered / 4, self._sweep)

    def _enqueue(self, queue: deque[Job], job: Job) -> None:
        queue.append(job)
        if len(queue) <= self.settings.queue:
            return
        policy = self.overflow
        if policy == "drop_head":
            gone = [queue.popleft()]
        elif policy == "drop_tail":
            newest = queue.pop()
            gone = [queue.pop() if queue else newest]
            queue.append(newest) if gone[0] is not newest else None
        elif policy == "drop_buffer":
            newest = queue.pop()
            gone = list(queue)
            queue.clear()
            queue.append(newest)
        else:
            gone = [queue.pop()]
        for one in gone:
            self._drop(one, "overflow", BufferOverflow(f"{self.settings.queue} messages wait already"))

    def _drop(self, job: Job, reason: str, error: BaseException) -> None:
        self.counters[f"dropped_{reason}"] += 1
        if job.question is not None:
            self.questions.dropped(job.question, job, error)
        elif job.teller is not None:
            self.around.send(job.teller, failure(job.operation, error))

    # -- what becomes of jobs ------------------------------------------------------------------------------------------

    def _job_done(self, job: Job, member: Member, payload: Any) -> None:
        if job.question is not None:
            self.questions.answered(job.question, member.name, payload)

    def _job_failed(self, job: Job, member: Member, error: BaseException, died: bool = False) -> None:
        question = job.question
        if question is not None and question.asking is not None:
            self.questions.failed(question, member.name, error, died)
        elif self.settings.elsewhere and not job.only and (question is None or not question.over):
            self.counters["elsewhere"] += 1
            self._submit(job)
        elif question is not None:
            self.questions.fail(question, error)
        else:
            self.counters["lost_with_routee" if died else "failed_tells"] += 1
            if job.teller is not None:
                self.around.send(job.teller, failure(job.operation, error))

    def _sweep(self) -> None:
        """Forget what a routee has had for too long: a `Worked` that was lost must not cost it its room for ever."""
        now = self.around.now()
        within = self.settings.unanswered
        for number, member in list(self._by_number.items()):
            job, since = member.jobs[number]
            if now - since >= within:
                del self._by_number[number], member.jobs[number]
                self.counters["unanswered"] += 1
                self._job_failed(job, member, NoAnswer(f"{member.name} has not answered within {within:g} s"))
                self.pump(member)
        self._sweeping = bool(self._by_number)
        if self._sweeping:
            self.around.after(within / 4, self._sweep)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _up(self) -> list[Member]:
        return [member for member in self.members.values() if member.state == "running"]

    def _resubmit(self, member: Member) -> None:
        jobs = list(member.queue)
        member.queue.clear()
        for job in jobs:
            if job.only:
                self._drop(job, "routee_left", StreamError(f"{member.name} is gone"))
            else:
                self._submit(job)

    def _leave_if_done(self, member: Member) -> None:
        if member.state == "leaving" and not member.jobs and member.name in self.members:
            self.forget(member)
            if self.settings.size:
                self.around.end(member.address)

    def _is_new(self, sender: Any, operation: str) -> bool:
        if operation and not self.memory.is_new(sender, operation):
            self.counters["repeated"] += 1
            return False
        return True


def _nothing() -> None:
    """Nobody listens."""
