"""The powers a backend may have, one small protocol each; a key appears only where one is held.

A backend has the powers whose methods it implements (`runtime_checkable`). All methods raise only
errors of `perftui.model.errors`, are safe to cancel, and put deadlines on their own waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from perftui.model.clusterports import (  # noqa: F401 (found by their names, as all are)
    FailoverDriver,
    FailoverRehearser,
    GroupFailover,
    RegionPair,
    RehearsalShelf,
    SlotMover,
    SlotReader,
    TagKeeper,
)
from perftui.model.dashboards import DashboardHost  # noqa: F401 (found by its name, as all are)
from perftui.model.desks import AlertDesk, HitShelf, RuleTrier, TuningDesk  # noqa: F401
from perftui.model.errors import Unsupported
from perftui.model.hostports import ProcessNicer, ProcessReader, ProcessSignaller  # noqa: F401 (as above)
from perftui.model.keydumps import KeyDumper  # noqa: F401
from perftui.model.keyvalue import KeyEditor  # noqa: F401
from perftui.model.nodeorders import OrderGiver  # noqa: F401
from perftui.model.purgequeue import PurgeQueue  # noqa: F401
from perftui.model.replicaports import ReplicaAttacher, ReplicaPromoter  # noqa: F401
from perftui.model.serverports import (  # noqa: F401
    ClientKiller,
    ClientLister,
    ConfigReader,
    MemoryKeeper,
    ServerTuner,
)
from perftui.model.warmports import EarlyKeeper, LoadSharer, LocalKeeper, TtlKeeper, WarmDesk, WarmQueue  # noqa: F401

if TYPE_CHECKING:  # asking who has a power needs none of what it deals with
    from perftui.model.action import Progress, Receipt
    from perftui.model.alerts import Alert, Labels
    from perftui.model.backtest import Backtest, Why
    from perftui.model.cdn import EdgeLook, PurgeRequest, UrlUse
    from perftui.model.metrics import Answer, Flavour, MetricMeta, ServerAlert, ServerRule
    from perftui.model.notify import ChannelState, Outcome
    from perftui.model.sink import Sent


@runtime_checkable
class Scalable(Protocol):
    """Something whose number of instances can be set."""

    async def scale(self, ref: str) -> Any:
        """Current `Scale` of `ref` (`perftui.model.autoscaling`)."""

    async def set_replicas(self, ref: str, n: int, *, revision: int) -> Receipt:
        """Want `n` instances; PlanRejected when `revision` is no longer current or n is out of bounds."""


@runtime_checkable
class StackSampler(Protocol):
    """A profiler of running processes."""

    async def find_target(self, pid: int) -> Any:
        """The `ProfileTarget` that `pid` is now; Lost when gone, Unsupported when it cannot be sampled."""

    async def sample_stacks(
        self, pid: int, seconds: float, rate: int, report: Callable[[Progress], None]
    ) -> Any:
        """Sample `pid` for `seconds` at `rate` Hz; a `Profile` (`perftui.model.profiler`).

        Stopped early it raises Cancelled, whose receipt names the profile of what was taken.
        """


@runtime_checkable
class Explainer(Protocol):
    """A database that shows how it would run a statement."""

    async def explain(self, statement: str, *, analyze: bool = False, limit: float = 10.0) -> Any:
        """An `Explanation` (`perftui.model.database`) of one statement, `$n` parameters allowed.

        Never executes it unless `analyze`, and then only in a read-only transaction that is rolled
        back, for at most `limit` seconds. Unsupported when the server cannot plan the text.
        """


@runtime_checkable
class ActivityReader(Protocol):
    """A database that tells who is doing what."""

    async def activity(self) -> Any:
        """All sessions now, as a tuple of `Session` (`perftui.model.database`)."""


@runtime_checkable
class StatementReader(Protocol):
    """A database that remembers the statements it ran."""

    async def statement_text(self, query_id: int) -> str:
        """The full normalised text of one statement (bounded); empty when it is forgotten."""


@runtime_checkable
class QueryCanceller(Protocol):
    """A database whose statements can be stopped from outside."""

    async def find_session(self, pid: int) -> Any:
        """The `Session` behind `pid` now, or None."""

    async def cancel_query(self, pid: int, started: float, query_started: float) -> bool:
        """Cancel that statement of that session; False when either is no longer the same.

        Instants are epoch seconds as `find_session` gave them. Refused without the right to.
        """

    async def terminate_session(self, pid: int, started: float) -> bool:
        """End that session; False when the pid is gone or another session's."""


@runtime_checkable
class Purger(Protocol):
    """An edge that can forget objects."""

    async def purge_edge(self, request: PurgeRequest) -> int | None:
        """Forget; the number of objects dropped, or None when the edge does not say."""


@runtime_checkable
class EdgeVerifier(Protocol):
    """An edge whose answer to a GET says how it came about."""

    async def look_at(self, url: str) -> EdgeLook:
        """GET `url` (a path of the edge) as a visitor would; it fills the cache as any visit does."""


@runtime_checkable
class EdgeContent(Protocol):
    """An edge that knows which URLs it served lately."""

    async def recent_urls(self, limit: int) -> tuple[UrlUse, ...]:
        """The most requested URLs of its recent log, at most `limit`."""


@runtime_checkable
class KeyspaceReader(Protocol):
    """A key-value server whose keys can be looked through in bounded pieces."""

    async def page_keys(self, pattern: bytes, cursor: int, want: int) -> Any:
        """A `KeyPage` (`perftui.model.cache`) of about `want` keys matching `pattern` from `cursor` on."""

    async def sample_keyspace(self, base: bytes, pages: int) -> Any:
        """A `Keyspace`: shares by prefix under `base` from `pages` random places, with intervals."""


@runtime_checkable
class CommandSampler(Protocol):
    """A key-value server whose command stream can be watched for a moment.

    `watch_every` are the seconds between short looks taken unasked; 0: none.
    """

    watch_every: float

    async def sample_commands(self, limit: int, seconds: float) -> Any:
        """A `CommandSample` of at most `limit` commands or `seconds`: the hot keys; slows the server."""

    async def watch_accesses(self, limit: int, seconds: float) -> Any:
        """An `AccessBurst` (`perftui.model.accesses`) of as many: reads with their sizes; slows it too."""


@runtime_checkable
class KeyPurger(Protocol):
    """A key-value server whose keys can be moved to quarantine, deleted, and brought back.

    The changing calls count into a `KeyTally` (`perftui.model.cache`), also when they are cancelled
    or the connection breaks: what was sent without an answer is `unsure`.
    """

    async def survey_keys(self, pattern: bytes, sample: int = 200) -> Any:
        """A `KeySurvey`: what `pattern` matches, counted, with a weighed sample."""

    async def scan(self, pattern: bytes, cursor: int, count: int) -> tuple[int, tuple[bytes, ...]]:
        """One step: next cursor (0: the end) and matching names, those in quarantine left out."""

    async def weigh(self, names: Sequence[bytes]) -> Any:
        """A tuple of `KeyInfo` of those of `names` that exist."""

    async def quarantine_keys(self, keys: Sequence[bytes], quarantine: str, keep: float, tally: Any) -> None:
        """Move `keys` away, each atomically with its TTL; they are deleted after `keep` seconds."""

    async def delete_keys(self, keys: Sequence[bytes], tally: Any) -> None:
        """Delete `keys` for good."""

    async def scan_quarantine(self, quarantine: str, cursor: int) -> tuple[int, tuple[bytes, ...]]:
        """One step over the names of a quarantine."""

    async def restore_keys(self, names: Sequence[bytes], quarantine: str, tally: Any, over: bool) -> None:
        """Bring quarantined `names` back; one whose place is taken again is `kept`, unless put `over` it."""

    async def hand_on(self, within: float) -> bool:
        """Wait up to `within` seconds until a replica, where there is any, has what was changed here."""


@runtime_checkable
class EndpointSource(Protocol):
    """An application whose requests can be told apart by route."""

    async def endpoints(self, window: float) -> Any:
        """`Endpoint`s (`perftui.model.endpoint`) over about the last `window` seconds, busiest first."""

    async def endpoint_past(self, route: str, method: str) -> Any:
        """`EndpointPast` of one endpoint as far as it was watched; no stretches for one that is not known."""


@runtime_checkable
class StackDumper(Protocol):
    """A profiler that can show what every thread of a process does right now."""

    async def dump_stacks(self, pid: int) -> Any:
        """`ThreadStack`s (`perftui.model.profiler`) of `pid`."""


@runtime_checkable
class ProfileShelf(Protocol):
    """A place where profiles are kept."""

    async def profile(self, profile_id: str) -> Any:
        """The kept `Profile` (`perftui.model.profiler`) of that id; Unsupported when there is none."""

    async def keep_profile(self, profile: Any) -> str:
        """Keep a `Profile`, and return the path of its file."""


@runtime_checkable
class RuleKeeper(Protocol):
    """Where the operator's rule file is kept, the version before beside it."""

    async def rule_text(self, *, previous: bool = False) -> str:
        """The file as it is, or the version before; "" when there is none. RuleFileError: it is no text."""

    async def keep_rules(self, text: str) -> str:
        """Put a text in its place, what was there becomes the version before; where it is now."""

    async def metric(self, text: str) -> str:
        """`backend/series` as expressions name it; all else as it stands."""

    async def backtest(self, text: str, name: str, seconds: float) -> Backtest | None:
        """What the rule `name` of such a file would have done in the last `seconds`; None: no such rule."""


@runtime_checkable
class NoticeDesk(Protocol):
    """Where being told is seen to, beside `AlertDesk`."""

    async def alert(self, fingerprint: str) -> Alert:
        """The alert as it is now; PlanRejected when there is none."""

    async def channel(self, name: str) -> ChannelState:
        """A channel as it stands; PlanRejected when there is none of that name."""

    async def send_test(self, name: str) -> Outcome:
        """One marked message through it, now."""

    async def assign(self, alert: Alert, who: str) -> str:
        """Say who sees to an alert, "" for nobody; who did before."""

    async def comment(self, alert: Alert, text: str) -> None:
        """Leave a word in its history."""


@runtime_checkable
class RuleExplainer(Protocol):
    """Says why a rule or an alert does what it does, or doesn't."""

    async def explain_rule(self, what: str) -> Why:
        """Of a rule's name, or an alert's fingerprint or how that begins; PlanRejected: there is none."""


@runtime_checkable
class PromQuerier(Protocol):
    """A server with Prometheus' query API; ExpressionError when it cannot read or compute a query."""

    async def flavour(self) -> Flavour:
        """Which server it is, and the dialect it speaks."""

    async def instant(self, expr: str, at: float) -> Answer:
        """What an expression comes to at one instant."""

    async def range(self, expr: str, start: float, end: float, step: float) -> Answer:
        """Its values every `step` seconds, both ends inside."""

    async def series(self, selectors: Sequence[str], start: float, end: float) -> tuple[Labels, ...]:
        """Label sets of the series that any of the selectors matches."""

    async def labels(self, name: str = "") -> tuple[str, ...]:
        """Names of all labels, or the values of one."""

    async def metadata(self, metric: str = "") -> Mapping[str, MetricMeta]:
        """Types and help texts, of one metric or of all."""

    async def rules(self) -> tuple[ServerRule, ...]:
        """The rules it evaluates, with their state."""

    async def alerts(self) -> tuple[ServerAlert, ...]:
        """The alerts it holds."""


@runtime_checkable
class SettingsReader(Protocol):
    """A server that tells all its settings, so that changes to them can be noticed."""

    async def settings(self) -> Mapping[str, str]:
        """Every setting's name and value in the server's own words, secrets too: mask before showing."""


@runtime_checkable
class QueueReader(Protocol):
    """A server in which queues lie."""

    async def queues(self) -> Any:
        """`QueueDepth`s (`perftui.model.queues`) of every queue that was found."""


@runtime_checkable
class NodeReader(Protocol):
    """A server in which nodes of the cache library publish their counts, and find what they are asked."""

    async def nodes(self) -> Any:
        """A `NodesLook` (`perftui.model.noderecord`) of those that did lately."""

    async def ask_warm(self, namespace: str, name: str) -> None:
        """Let the nodes that have this warm set begin; their records say how far they are."""


@runtime_checkable
class DictionaryKeeper(Protocol):
    """A server in which a cache's namespaces keep values, and the dictionaries to pack them with."""

    async def sample_values(self, namespace: str, want: int) -> tuple[bytes, ...]:
        """Up to `want` values as they are stored, each cut at 128 KiB."""

    async def dictionary_state(self, namespace: str) -> Any:
        """A `DictionaryState` (`perftui.model.dictionaries`)."""

    async def dictionary(self, namespace: str, number: int) -> bytes:
        """One of them; empty when it is not there."""

    async def put_dictionary(self, namespace: str, number: int, data: bytes) -> None:
        """Add it and put it in force."""

    async def use_dictionary(self, namespace: str, number: int) -> None:
        """Put one that is there in force, or none with 0."""


@runtime_checkable
class FigureSource(Protocol):
    """A system that can be asked for a number, in its own words."""

    async def figures(self, read: str) -> Any:
        """`Figure`s (`perftui.model.business`) for what `read` asks; Unsupported when it cannot be asked."""


@runtime_checkable
class FigureTaker(Protocol):
    """What takes figures that others push, as StatsD lines."""

    def take_lines(self, text: str) -> tuple[int, int]:
        """Lines taken, and lines that could not be read or found no room."""
        ...


@runtime_checkable
class MetricSink(Protocol):
    """A store of metrics that takes figures from outside."""

    async def put_figures(self, figures: Sequence[Sent]) -> int:
        """Hand them over; how many were taken."""
        ...


def named(name: str) -> type:
    """The port of that name; Unsupported when there is none."""
    port = globals().get(name)
    if name not in names():
        raise Unsupported(f"there is no power {name}")
    return cast("type", port)


@cache
def names() -> tuple[str, ...]:
    """The name of every port."""
    kinds = {n: kind for n, kind in globals().items() if kind is not Protocol}
    return tuple(n for n, kind in kinds.items() if getattr(kind, "_is_protocol", False))
