"""The words of telling people: which channel hears of what, in which words, and how that went."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, Protocol, TypeVar, runtime_checkable

from perftui.model.alerts import Labels, Matcher
from perftui.model.elsewhere import Held
from perftui.model.finding import Severity
from perftui.model.oncall import OnCallReport

Options = TypeVar("Options")

ONCALL, SECOND, ALL = "oncall", "second", "all"  # whom a step of an escalation means


class What(Enum):
    """What a message says about its incident."""

    TRIGGER = "trigger"
    UPDATE = "update"  # other alerts belong to it now, or nobody is on it any more
    REPEAT = "repeat"
    ESCALATE = "escalate"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    DIGEST = "digest"  # what a channel missed, in one
    TEST = "test"


class DeliveryState(Enum):
    """Where a message stands."""

    QUEUED = "queued"
    SENT = "sent"
    REFUSED = "refused"  # the other side will not have it: nothing is gained by trying again
    GIVEN_UP = "given up"  # tried for a day, or there was no room in the queue
    FOLDED = "folded"  # its content went out in a digest


@dataclass(frozen=True, slots=True)
class Route:
    """One branch: alerts that match go to `channels`; with `go_on` its later siblings are asked too.

    `under` is the branch it grows on, "" for the trunk. Seconds throughout; `group_by` names labels.
    """

    name: str
    matchers: tuple[Matcher, ...] = ()
    channels: tuple[str, ...] = ()
    under: str = ""
    go_on: bool = False
    group_by: tuple[str, ...] = ("rule", "source")
    group_wait: float = 30.0
    group_interval: float = 300.0
    repeat_interval: float = 14400.0
    escalation: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """After `after` seconds without an acknowledgement: `channel`, and there `to` (a person or a turn)."""

    after: float
    channel: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class EscalationPolicy:
    """Who hears next when nobody acknowledges; the clock starts when the incident opens."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Rota:
    """Who is on call: `names` take turns of `shift` seconds from `since` (epoch); numbers by name.

    `schedule` (and for who is next, `second_schedule`) is kept by the channel `keeper`, which knows better.
    """

    people: Mapping[str, str] = field(default_factory=dict, repr=False)
    names: tuple[str, ...] = ()
    shift: float = 604800.0
    since: float = 0.0
    schedule: str = ""
    second_schedule: str = ""
    keeper: str = ""

    def turns(self, now: float) -> tuple[str, ...]:
        """The names at `now`, who is on call before who is next."""
        turn = int((now - self.since) // self.shift) % len(self.names) if self.names else 0
        return self.names[turn:] + self.names[:turn]

    def numbers(self, to: str, now: float) -> tuple[str, ...]:
        """The numbers that a step's `to` means at `now`; a number stands for itself."""
        if to == ALL:
            return tuple(self.people.values())
        if to in (ONCALL, SECOND):
            turns = self.turns(now)
            to = turns[(to == SECOND) % len(turns)] if turns else ""
        number = self.people.get(to, to)
        return (number,) if number else ()


@dataclass(frozen=True, slots=True)
class Line:
    """One alert of a message."""

    fingerprint: str
    rule: str
    title: str
    severity: Severity
    source: str
    value: str = ""
    since: float = 0.0
    labels: Labels = ()
    over: bool = False
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one channel. `key` is unique to it for ever; `thread` names the incident outside.

    `incident` is the thread and its opening: what later messages refer to. `lines` are at most 20 of the
    `total` alerts, for an Alertmanager at most 1,000. `to` is a person's number or address where the channel
    does not say whom.
    """

    key: str
    channel: str
    what: What
    thread: str
    incident: str
    at: float
    env: str
    severity: Severity
    title: str
    lines: tuple[Line, ...] = ()
    total: int = 0
    who: str = ""
    note: str = ""
    to: str = ""
    since: float = 0.0

    @property
    def words(self) -> str:
        """One line for people."""
        more = f" and {self.total - 1} more" if self.total > 1 and self.what is not What.DIGEST else ""
        word = {
            What.TRIGGER: self.severity.name,
            What.UPDATE: f"{self.severity.name}, changed",
            What.REPEAT: f"STILL {self.severity.name}",
            What.ESCALATE: f"{self.severity.name}, unacknowledged",
            What.ACKNOWLEDGE: f"acknowledged by {self.who}" if self.who else "acknowledged",
            What.RESOLVE: "resolved",
            What.DIGEST: "missed",
            What.TEST: "TEST",
        }[self.what]
        return f"[{self.env}] {word}: {self.title}{more}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a delivery went: `sent`, else refused, or (`again`) to be tried in `after` seconds or later.

    `ref` is what the other side calls the message, for later ones to point to; the first of an incident
    counts, until a later one is `anew`: it stands in place of a message that is gone.
    """

    sent: bool
    said: str = ""
    again: bool = False
    after: float = 0.0
    ref: str = ""
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message's way: for the deliveries' list, and beside its alert."""

    key: str
    channel: str
    what: What
    incident: str
    title: str
    state: DeliveryState
    at: float
    tries: int = 0
    said: str = ""
    sent_at: float | None = None
    next_at: float | None = None
    to: str = ""
    fingerprints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChannelState:
    """One channel as it stands. `failing` is since when nothing went through, None: all is well."""

    name: str
    kind: str
    sent_at: float | None = None
    queued: int = 0
    failing: float | None = None
    said: str = ""
    problem: str = ""  # why it cannot be used at all, such as a secret that is not there


@dataclass(frozen=True, slots=True)
class NoticesReport:
    """All about who is told: channels, routes, newest deliveries, and who has taken which alert on."""

    at: float
    channels: tuple[ChannelState, ...] = ()
    routes: tuple[Route, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    holder: str = ""
    problem: str = ""
    next_steps: Mapping[str, float] = field(default_factory=dict)
    oncall: OnCallReport | None = None
    elsewhere: tuple[Held, ...] = ()

    def of(self, fingerprint: str) -> tuple[Delivery, ...]:
        """The deliveries about one alert, newest first."""
        return tuple(one for one in self.deliveries if fingerprint in one.fingerprints)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request that a sender wants made."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    method: str = "POST"
    most: int = 64 << 10  # bytes of the answer that are read


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; status 0 and `error` when nothing did."""

    status: int
    body: bytes = b""
    after: float = 0.0
    error: str = ""


Post = Callable[[Request], Awaitable[Reply]]
SMS = ("sms", "sns")
"""Kinds of channels that reach persons, each by a number of their own."""


class Sender(Protocol):
    """One way to reach people; made as `Class(name, options, post)`; what happens outside is no error."""

    pace: float  # seconds between two messages
    hourly: int  # most messages an hour to one person, 0: any number
    folds: bool  # whether what a long outage held up may go out as one digest

    def recipients(self, to: tuple[str, ...]) -> tuple[str, ...]:
        """One message each: `to` where given, else whom the channel is for; ("",) when it is for a place."""
        ...

    async def deliver(self, what: Notification, ref: str) -> Outcome:
        """Send; `ref` is what the incident's first message was called, "" before it."""
        ...


class Posting(Generic[Options]):
    """What senders that make HTTP requests have in common: they are for one place, which needs no pace."""

    pace: float = 0.0
    hourly: int = 0
    folds: bool = False

    def __init__(self, name: str, options: Options, post: Post) -> None:
        self.name = name
        self._options = options
        self._post = post

    def recipients(self, to: tuple[str, ...]) -> tuple[str, ...]:
        """The place; who is there hears of it."""
        return ("",)


@dataclass(frozen=True, slots=True)
class Taken:
    """Somebody acknowledged an incident in the channel itself, at `at` (epoch seconds)."""

    who: str
    at: float


@runtime_checkable
class AckReader(Protocol):
    """A sender that can say who has acknowledged incidents over there."""

    async def acknowledged(self, threads: Sequence[str]) -> Mapping[str, Taken]:
        """Those of `threads` that somebody acknowledged; what cannot be learned is left out."""
        ...


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart to lie in a message: `kind` of image (`png`, `svg+xml`), and words for who cannot see it."""

    kind: str
    data: bytes = field(repr=False)
    words: str


Paint = Callable[[Notification], Awaitable[Picture | None]]


@runtime_checkable
class Illustrated(Protocol):
    """A sender whose messages can hold a picture; `paint` draws it when a message is about to go."""

    paint: Paint | None


def judged(reply: Reply, *accepted: int) -> Outcome:
    """An HTTP answer as vendors mean it: 408, 429 and 5xx are tried again, other refusals are not."""
    if reply.status in accepted:
        return Outcome(True)
    said = reply.error or f"HTTP {reply.status}"
    detail = " ".join(reply.body[:200].decode(errors="replace").split())
    again = reply.status in (0, 408, 425, 429) or reply.status >= 500
    return Outcome(False, f"{said} {detail}".strip(), again=again, after=reply.after)


@dataclass(frozen=True, slots=True)
class Way:
    """How a channel is made: its sender's `module:Class`, and its options with secrets fetched when asked."""

    kind: str
    place: str
    options: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Telling:
    """All that is configured about telling people, in one environment whose `labels` routes can match."""

    env: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ways: Mapping[str, Way] = field(default_factory=dict)
    beats: Mapping[str, Way] = field(default_factory=dict)  # dead man's switches: they hear all the time
    post: str = ""
    routes: tuple[Route, ...] = ()
    policies: Mapping[str, EscalationPolicy] = field(default_factory=dict)
    rota: Rota = field(default_factory=Rota)
