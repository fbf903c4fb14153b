"""Hosts under node_exporter's names and labels, so that people's rules and dashboards work unchanged."""

from __future__ import annotations

from perftui.analysis.nodecounters import HostCounters, node_rows
from perftui.export.families import Families, Labels
from perftui.model.resources import HostReading


def put_host(found: Families, r: HostReading, counters: HostCounters, at: float, extra: Labels) -> None:
    """One host's families; `extra` tells hosts apart where there are several."""
    for row in node_rows(r, counters, at):
        found.family(row.name, row.kind, row.help).put((*row.labels, *extra), row.value)
    which = found.family("node_uname", "info", "Which host this is.")
    which.put_cells((("nodename", r.host), *extra), (("_info", (), 1.0),))
