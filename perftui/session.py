"""The one place where everything below meets: configuration, backends, engines, pollers and the conductor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Self

from perftui import backends, engines
from perftui.config import Config, Environment, paths
from perftui.model import ports
from perftui.model.errors import ConfigError, PerftuiError, PlanRejected, Unsupported
from perftui.model.event import Events
from perftui.model.finding import Offer
from perftui.model.frame import Frame, SeriesReader
from perftui.model.health import Health, Link
from perftui.model.moment import Moment, TimeState
from perftui.model.reading import Look, Reading
from perftui.model.risk import Risk
from perftui.model.schedule import TUNING_TOPIC
from perftui.model.targets import spread
from perftui.runtime.clock import Clock
from perftui.runtime.events import EventLog, Spans
from perftui.runtime.gathering import answer, collect
from perftui.runtime.loading import bring
from perftui.runtime.making import make
from perftui.runtime.rings import Rings
from perftui.runtime.tasks import Crew
from perftui.runtime.topic import Tap, Topic

if TYPE_CHECKING:
    from perftui.model.action import Action
    from perftui.runtime.alerting import Alerting
    from perftui.runtime.conductor import Conductor
    from perftui.runtime.memory import Memory
    from perftui.runtime.observer import Observer
    from perftui.runtime.poller import Poller
    from perftui.runtime.rewind import Rewind
    from perftui.runtime.tuning import Tuning

ADVICE = "optimization"
ALERTS = "alerts"  # their topic, and their desk where a backend would be named
NO_PAST = "nothing is remembered here: perftui run keeps what it shows"
STOP = 0.4  # seconds a leaving console waits for its tasks


class Session:
    """A running environment: what screens and commands look at and ask.

    Screens see `env`, `clock`, `history`, `conductor`, topics of frames and the methods below;
    never a backend. Topics: one an engine (`cache`, `database`, …), `findings` (all of them, ranked),
    `events`, `actions`, `health`, and whatever `probe` was asked to publish (`cache.keys`).
    """

    def __init__(self, config: Config, environment: Environment, *, read_only: bool = False) -> None:
        self.config = config
        self.env = environment
        self.clock = Clock()
        self.rings = Rings()
        self.events = EventLog(self._tell_events)
        self._spans = Spans(self.events)
        self._conductor: Conductor | None = None
        self._read_only = read_only or environment.read_only
        self.memory: Memory | None = None
        self.keeping: list[Memory] = []  # that, and what `record` writes
        self.alerts: Alerting | None = None  # there with the memory
        self.tuning: Tuning | None = None
        self._how: dict[str, bool] = {}  # of `Memory`: shared when it is kept, looks_on when only read
        self._loaded = False  # whether every engine is there
        self._crew = Crew("session")
        self.terminal: Callable[[], int | None] = lambda: None  # bytes sent to it so far, where there is one
        self._backends: dict[str, Any] = {}  # and the alerts' desk, which has a power too
        self._holders: dict[tuple[str, int], tuple[str, ...]] = {}  # power → backends; asked by every key
        self._looks: dict[str, Tap[Look]] = {}
        self._pollers: dict[str, Poller] = {}
        self._observers: dict[str, Observer] = {}
        self._topics: dict[str, Topic[Frame]] = {}
        self._listeners: dict[str, list[Observer]] = {}

    @classmethod
    def open(
        cls,
        config: Config,
        environment: Environment,
        *,
        only: set[str] | None = None,
        read_only: bool = False,
        remember: bool = False,
        recall: bool = False,
        agent: bool = False,
    ) -> Self:
        """Name what is wanted, `only` these backends; imports none and reads nothing before `start`.

        With `remember`, what is seen goes to the store and comes back, with `recall` only comes; an `agent`
        goes before consoles.
        """
        session = cls(config, environment, read_only=read_only)
        session._how = {"agent": agent, "shared": remember, "looks_on": recall}
        for name in environment.backends:
            if only is None or name in only:
                session._looks[name] = tap = Tap(name, session._looked)
                tap.publish(session._unseen(name))
        return session

    async def start(self) -> None:
        """Begin observing, remembering and polling, each part as soon as its modules are imported.

        Returns when all parts are there; what is watched before is fed as they come.
        """
        await self._crew.start("load", self._load_parts(), watched=True)

    async def close(self) -> None:
        """Stop actions, pollers and engines; bounded, may be called twice."""
        if self._conductor is not None and self._conductor.running:
            await self._conductor.close(STOP)
        for poller in self._pollers.values():
            poller.stop()
        await self._crew.stop(STOP)
        memories, self.keeping, self.memory = {*self.keeping, self.memory}, [], None
        for memory in filter(None, memories):
            await memory.close(self._observers, STOP, self.events)

    @property
    def conductor(self) -> Conductor:
        """The one door through which anything is changed; made for the first who asks."""
        if self._conductor is None:
            from perftui.runtime.audit import Audit
            from perftui.runtime.conductor import Conductor
            from perftui.runtime.undobook import UndoBook

            audit = Audit(paths.private_dir(paths.state_dir()) / "audit.jsonl")
            self._conductor = Conductor(
                self.env, audit, self.clock, self._read_only, self.events.add, UndoBook(paths.undo_file())
            )
        return self._conductor

    # what is shown

    @property
    def history(self) -> SeriesReader:
        """Samples of every series, recent ones from memory."""
        return self.rings

    def topic(self, name: str) -> Topic[Frame]:
        """The topic of that name, made when new."""
        name = ADVICE if name == "findings" else name
        return self._topics.setdefault(name, Tap(name, self._framed))

    def watch(self, topic: str, *, glance: bool = False) -> AsyncIterator[Frame]:
        """Follow a topic: its newest frame at once, then each newer one; leaving drops the demand.

        A `glance` is content with news every few seconds and costs the backends as much less.
        """
        return self.topic(topic).watch(glance=glance)

    def frame(self, topic: str) -> Frame:
        """The newest frame of a topic, an empty one before the first."""
        return self.topic(topic).value or self._empty(topic, self.clock.wall())

    def at(self, moment: Moment, topic: str) -> Frame:
        """The frame a screen draws at `moment`."""
        if moment.state in (TimeState.LIVE, TimeState.FROZEN):
            return self.frame(topic)
        name = ADVICE if topic == "findings" else topic
        return self.past.frame(name, moment.at) if self.past else self._empty(name, moment.at, NO_PAST)

    @property
    def past(self) -> Rewind | None:
        """What was shown before, where it is remembered."""
        return self.memory.past if self.memory else None

    def _empty(self, topic: str, at: float, error: str = "") -> Frame:
        health = {name: self._health(name) for name in self._behind(topic)}
        return Frame(topic, at, None, health, history=self.rings, error=error)

    def _behind(self, topic: str) -> tuple[str, ...]:
        """Backends a topic is made from: those its engine listens to, none for a probe, else all."""
        if topic in self._observers:
            return self._observers[topic].sources
        known = "." in topic or (topic in engines.BUILTIN and self._loaded)
        return () if known else tuple(self._looks)

    def _health(self, source: str) -> Health:
        return (self._looks[source].value or self._unseen(source)).health

    @property
    def looks(self) -> dict[str, Look]:
        """The newest look at every backend, read or not, and at what stands behind lists, by name."""
        return spread({name: tap.value or self._unseen(name) for name, tap in self._looks.items()})

    def _unseen(self, name: str) -> Look:
        return Look(name, self.env.backends[name].kind, None, Health(Link.WAITING, self.clock.wall()))

    @property
    def problem(self) -> str:
        """Why the store or the audit cannot be written, as a sentence; empty when all is well."""
        parts = (self._conductor, self.memory and self.memory.store)
        return next((part.problem for part in parts if part and part.problem), "")

    def setting(self, dotted: str) -> Any:
        """The value of `section.key` of the configuration."""
        return self.config.setting(dotted)

    # what can be asked

    def sources(self, power: str) -> tuple[str, ...]:
        """Names of the backends that have a power, by the name of its port."""
        if (asked := (power, len(self._backends))) not in self._holders:  # none is ever taken away
            port = ports.named(power)
            self._holders[asked] = tuple(n for n, one in self._backends.items() if isinstance(one, port))
        return self._holders[asked]

    def powers(self, source: str) -> tuple[str, ...]:
        """Names of the ports a backend implements."""
        return tuple(n for n in ports.names() if isinstance(self._backends.get(source), ports.named(n)))

    async def probe(
        self,
        topic: str,
        source: str,
        port: type | str,
        call: Callable[[Any], Awaitable[Any]],
        deadline: float = 10.0,
    ) -> Frame:
        """One read through a power, published as the report of `topic`; `error` says why it failed.

        On failure the report before stays. Raises nothing but CancelledError.
        """
        known = getattr(self.topic(topic).value, "report", None)

        async def asked() -> Any:
            return await call(self._power(source, port))

        said = await answer(source, asked, deadline, known)
        now = self.clock.wall()
        health = {source: self._health(source)} if source in self._looks else {}
        frame = Frame(topic, now, health=health, history=self.rings, seen=now, **said)
        self.topic(topic).publish(frame)
        return frame

    def note(self, text: str) -> None:
        """Put an operator's note on the timeline."""
        self.events.note(self.clock.wall(), self.env.name, text)

    def retry(self, source: str) -> None:
        """Read now; leaves REFUSED."""
        if source in self._pollers:
            self._pollers[source].retry()

    def _power(self, source: str, port: type | str) -> Any:
        wanted = ports.named(port) if isinstance(port, str) else port
        backend = self._backends.get(source)
        if backend is None:
            raise Unsupported(f"there is no backend {source} in environment {self.env.name}")
        if not isinstance(backend, wanted):
            raise Unsupported(f"{source} ({backend.kind}) cannot do this: it has no {wanted.__name__}")
        return backend

    # what can be done

    def action(self, action_id: str, source: str, **params: Any) -> Action:
        """An action of the registry on a backend; PlanRejected or Unsupported when there is none."""
        spec = engines.spec(action_id)
        return make(action_id, spec.factory, self._power(source, spec.port), source, params)

    def target_of(self, offer: Offer) -> str:
        """The backend an offer means: the one it names, else the first with the power; "" for none."""
        return offer.source or next(iter(self.sources(engines.spec(offer.action).port)), "")

    def can(self, action_id: str, source: str) -> tuple[bool, str]:
        """Whether an action may be offered on a backend now, and if not, why."""
        try:
            spec = engines.spec(action_id)
            self._power(source, spec.port)
        except PerftuiError as error:
            return False, str(error)
        if spec.risk is not Risk.READS and self.read_only:
            return False, f"{self.env.name} is read-only"
        if source in self._looks and (health := self._health(source)).link in (Link.LOST, Link.REFUSED):
            return False, f"{source} is {health.link.value}: {health.error}"
        return True, ""

    @property
    def read_only(self) -> bool:
        """Whether everything above reading is refused."""
        return self._conductor.read_only if self._conductor else self._read_only

    @read_only.setter
    def read_only(self, on: bool) -> None:
        if not on and self.env.read_only:
            raise PlanRejected(f"environment {self.env.name} is read-only for good")
        self.conductor.read_only = on
        self._publish_health()

    # how it is built

    async def _load_parts(self) -> None:
        """Engines first: they show what is remembered, and whatever the backends read from then on."""
        for needed in ("conductor:Conductor", "observer:Observer", "poller:Poller"):
            await bring(f"perftui.runtime.{needed}")
        from perftui.runtime.deeds import follow

        self._crew.start("follow actions", follow(self.conductor, self.clock, self.topic("actions")))
        for stem, place in engines.BUILTIN.items():
            self._add_engine(stem, await bring(place))
        self._loaded = True
        for stem in engines.BUILTIN.keys() - self._observers.keys():  # who watches learns that none feeds it
            self.topic(stem).publish(self._empty(stem, self.clock.wall()))
        if self._how["shared"] or (self._how["looks_on"] and self.config.has_store()):
            await self._remember_all()
        for name in () if self.memory else (ALERTS, TUNING_TOPIC):
            self.topic(name).publish(self._empty(name, self.clock.wall(), NO_PAST))
        for name in self._looks:
            entry = self.env.backends[name]
            self._add(name, await bring(backends.BUILTIN[entry.kind]), entry.resolved)
        engine = (await bring("perftui.engines.price:PriceEngine"))(self.config.price.budget())
        what = {"config": self.config, "backends": self._backends, "rings": self.rings}
        done = {"conductor": self.conductor, "events": self.events, "terminal": self.terminal}
        cost = {"pollers": self._pollers, "observers": self._observers, "price": engine}
        kept = {"alerts": self.alerts, "tuning": self.tuning}
        begin = await bring("perftui.runtime.beside:begin")
        await begin(self._crew, self.clock, self.topic, self._keep, **what, **done, **cost, **kept)

    def _add(self, name: str, backend_class: Any, options: Callable[..., Any]) -> None:
        tap = self._looks[name]
        try:
            self._backends[name] = backend = backend_class(name, options(writes=not self._read_only))
        except ConfigError as error:
            refused = Health(Link.REFUSED, self.clock.wall(), str(error))
            tap.publish(Look(name, backend_class.kind, None, refused))
            return
        from perftui.runtime.poller import Poller

        self._pollers[name] = poller = Poller(backend, tap, self.clock, keep=self._keep)
        self._crew.start(f"poll {name}", poller.run())

    def _add_engine(self, stem: str, engine_class: Any) -> None:
        looks = {n: tap for n, tap in self._looks.items() if self.env.backends[n].kind in engine_class.kinds}
        if not looks:
            return
        from perftui.runtime.observer import Observer

        hold, topic = stem != ADVICE, self.topic(stem)
        observer = Observer(engine_class(), looks, self.rings, self.clock, hold=hold, topic=topic)
        self._observers[stem] = observer
        for name in looks:
            self._listeners.setdefault(name, []).append(observer)
        self._crew.start(f"observe {stem}", observer.run())

    # what happens

    def _keep(self, reading: Reading) -> None:
        reading = self.alerts.hosts.added(reading) if self.alerts else reading
        for record in (self.rings.record, *(memory.history.record for memory in self.keeping)):
            record(reading)

    def _framed(self, frame: Frame) -> None:
        for memory in self.keeping:
            memory.frames.record(frame)

    async def open_memory(self) -> tuple[Memory, Alerting, Tuning]:
        """Open the store, its history and its alerts; by itself this writes nothing."""
        most, opened = int(self.setting("history.max_bytes")), await bring("perftui.runtime.memory:Memory")
        self.memory = opened(self.config.store_place(), self.env.name, self.clock, most, **self._how)
        self._backends |= self.memory.desks
        self.memory.past.serve(str(self.setting("ui.timezone")), self.conductor.audit.report)
        self.memory.budgets.follow(self.config.objectives(), self.env.kinds, self.topic("overview.targets"))
        alerting, told = await bring("perftui.runtime.alerting:Alerting"), self.topic(ALERTS)
        self.alerts = alerting(self.memory, self.config.rules(), self.env.kinds, self.clock, told)
        tuning, told = await bring("perftui.runtime.tuning:Tuning"), self.topic(TUNING_TOPIC)
        how = (self.config.scheduled(self.env.name), lambda: self.conductor, self.action, self.target_of)
        self.tuning = tuning(self.memory, *how, self.clock, told)
        self._backends |= {ALERTS: self.alerts.told_as(self.config.telling()), **self.tuning.desks}
        return self.memory, self.alerts, self.tuning

    async def _remember_all(self) -> None:
        memory, alerts, tuning = await self.open_memory()
        self.rings.past = memory.history
        self.keeping += () if memory.looks_on else (memory,)
        await memory.attend(self._crew, self._observers, self.events, self._spans)
        rule = alerts.rule(self.rings, lambda: self.looks, self._observers, self.events.add, self._power)
        self._crew.start("rule", tuning.gated(ALERTS, rule.run, alerts.said))
        self._crew.start("unusual", alerts.watch(self.config.anomaly.watch(), self.topic, self._keep))
        self._crew.start("notify", alerts.notify(self.topic("alerts.notices")))
        self._crew.start("tuning", tuning.run())

    def _looked(self, look: Look) -> None:
        self.events.link(look.source, look.health)
        collect(self._observers, ADVICE, self.events, self._spans, self.clock.wall())
        for observer in self._listeners.get(look.source, ()):
            observer.changed()
        self._publish_health()

    def _publish_health(self) -> None:
        now = self.clock.wall()
        health = {name: self._health(name) for name in self._looks}
        self.topic("health").publish(Frame("health", now, None, health, history=self.rings, seen=now))

    def _tell_events(self, events: Events) -> None:
        now = self.clock.wall()
        self.topic("events").publish(Frame("events", now, events, {}, history=self.rings, seen=now))
