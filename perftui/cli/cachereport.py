"""What verbs of `perftui cache` look at: single servers, then clusters, groups and regions, each as one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, Any

from perftui.analysis.wholecluster import fronts
from perftui.cli import common
from perftui.cli.cachecluster import KINDS as SEVERAL
from perftui.model.cache import CacheNode, CacheReport
from perftui.model.cachecluster import ClusterReport

if TYPE_CHECKING:
    from perftui.session import Session

TOPICS = ("cache", "cachecluster")
KINDS = ("valkey", *SEVERAL, "valkey-regions")

Nodes = tuple[CacheNode, ...]


async def servers(session: Session, settled: Callable[[Nodes], bool], seconds: float = 4.0) -> CacheReport:
    """All that are configured once they are `settled`, or after `seconds` as they are; servers first.

    Raises:
        Lost: none answers.
    """
    kinds = {session.env.backends[name].kind for name in session.looks if name in session.env.backends}
    topics = [topic for topic, mine in zip(TOPICS, (KINDS[:1], KINDS[1:]), strict=True) if kinds & set(mine)]
    frames = [
        await common.first_frame(session, topic, seconds, lambda frame: settled(nodes_of(frame.report)))
        for topic in topics or TOPICS[:1]
    ]
    told = [nodes_of(frame.report) for frame in frames if not frame.stale]
    if not any(told):
        common.report_of(frames[0], CacheReport)
    return CacheReport(max(frame.at for frame in frames), tuple(chain(*told)))


def nodes_of(report: Any) -> Nodes:
    """The servers of a report, or its clusters."""
    if isinstance(report, ClusterReport):
        return fronts(report)
    return report.nodes if isinstance(report, CacheReport) else ()
