"""What runs in every session beside its engines: business figures, deeds, its own price, its own watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from perftui.model.business import TOPIC as BUSINESS
from perftui.model.business import Metric
from perftui.model.dashboards import HOST
from perftui.model.errors import ConfigError
from perftui.model.event import Event
from perftui.model.frame import Frame
from perftui.model.price import TOPIC as PRICE
from perftui.model.reading import Reading
from perftui.model.selfwatch import TOPIC as SELFWATCH
from perftui.runtime.clock import Clock
from perftui.runtime.conductor import Conductor
from perftui.runtime.events import EventLog
from perftui.runtime.loading import bring
from perftui.runtime.observer import Observer
from perftui.runtime.poller import Poller
from perftui.runtime.rings import Rings
from perftui.runtime.tasks import Crew
from perftui.runtime.topic import Topic

if TYPE_CHECKING:  # they come with the memory, where there is one
    from perftui.runtime.alerting import Alerting
    from perftui.runtime.tuning import Tuning

ALERTS = "alerts"  # the topic


class Wanted(Protocol):
    """What a configuration says of these."""

    def figures(self) -> tuple[Metric, ...]:
        """Figures of the business."""
        ...

    def dashboards(self) -> Mapping[str, Any]:
        """A server of dashboards under its name; ConfigError when its token cannot be had."""
        ...


async def begin(
    crew: Crew,
    clock: Clock,
    topic: Callable[[str], Topic[Frame]],
    keep: Callable[[Reading], None],
    *,
    config: Wanted,
    backends: MutableMapping[str, Any],
    rings: Rings,
    conductor: Conductor,
    events: EventLog,
    pollers: Mapping[str, Poller],
    observers: MutableMapping[str, Observer],
    price: Any,
    terminal: Callable[[], int | None],
    alerts: Alerting | None,
    tuning: Tuning | None,
) -> None:
    """Start all of them in `crew`, each once its modules are in; `price` is the engine that judges it."""
    till = await bring("perftui.runtime.business:Till")
    crew.start("business", till(config.figures(), backends, rings).run(clock, topic(BUSINESS), keep))
    costs = await bring("perftui.runtime.costwatch:CostWatch")
    crew.start("costs", costs(topic(BUSINESS), events.add, clock.wall, alerts).run())
    chronicle = await bring("perftui.runtime.chronicle:Chronicle")
    crew.start("chronicle", chronicle(conductor, events, topic("overview.audit"), clock).run(backends))
    made = await bring("perftui.runtime.price:Price")
    observers[PRICE] = own = made(price, pollers, rings, clock, topic(PRICE), keep, terminal)
    crew.start(PRICE, own.run())
    if alerts is not None and alerts.ruler is not None:
        await _look_after(crew, clock, topic, rings, observers, events, alerts, tuning)
    try:
        hosts = config.dashboards()
    except ConfigError as error:
        events.add(Event(clock.wall(), "link", HOST, f"{HOST} refused", str(error)))
        return
    backends.update(hosts)
    for host in hosts.values():
        crew.start(HOST, _closed_at_the_end(host))


async def _look_after(
    crew: Crew,
    clock: Clock,
    topic: Callable[[str], Topic[Frame]],
    rings: Rings,
    observers: MutableMapping[str, Observer],
    events: EventLog,
    alerts: Alerting,
    tuning: Tuning | None,
) -> None:
    engine = (await bring("perftui.engines.alerts.watch:WatchEngine"))()
    made = await bring("perftui.runtime.selfwatch:SelfWatch")
    told = topic(ALERTS)
    observers[SELFWATCH] = watch = made(
        engine,
        alerts,
        told,
        rings,
        clock,
        topic(SELFWATCH),
        events.add,
        lambda: not (tuning and tuning.agent),
    )
    crew.start(SELFWATCH, watch.run())
    weekly = await bring("perftui.runtime.weeklynoise:WeeklyNoise")
    crew.start("noise", weekly(alerts, clock, events.add).run())


async def _closed_at_the_end(host: Any) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await host.close()
