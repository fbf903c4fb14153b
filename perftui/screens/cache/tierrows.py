"""Short rows of the Tiers tab: what a server does now, and what is wrong with it."""

from __future__ import annotations

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.palette import state_span
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import line, wrap
from perftui.model.cache import CacheNode
from perftui.model.finding import Finding, Severity

WORDS = {Severity.INFO: "ok", Severity.WARNING: "warn", Severity.CRITICAL: "crit"}


def figure_rows(node: CacheNode, size: Size) -> Rows:
    """Traffic, clients and replication in three short rows."""
    facts = node.reading
    if facts is None:
        return []
    repl = facts.replication
    if node.role != "replica":
        online = sum(r.state == "online" for r in repl.replicas)
        many = fmt.many(len(repl.replicas), "replica")
        following = f"{online}/{many} online" if repl.replicas else "no replica"
    else:
        following = f"follows {inert(repl.primary, 40)}, " + ("up" if repl.link_up else "link down")
    lag = f", {fmt.bytes_(node.lag_bytes)} {fmt.duration(node.lag_s)} behind" if node.lag_bytes else ""
    wire = f"{fmt.rate(facts.in_bytes_per_s, 'bytes')} in, {fmt.rate(facts.out_bytes_per_s, 'bytes')} out"
    clients = f"{fmt.many(facts.clients, 'client')}, {facts.blocked_clients} blocked"
    return [
        line(size.width, (f"{fmt.rate(facts.ops_per_s)} commands, {clients}", "text")),
        line(size.width, (f"{wire}, {fmt.ratio(facts.cpu_ratio)} CPU, {inert(facts.policy, 24)}", "muted")),
        line(size.width, (f"{following}{lag}", "text")),
    ]


def finding_rows(findings: list[Finding], size: Size, look: Look, *, known: bool = True) -> Rows:
    """Each finding with its first evidence, worst first; `known`: the server answers, so none means well."""
    rows: list[Row] = []
    if not findings and not known:
        return [line(size.width, Span(" "), Span("not known while the server does not answer", "muted"))]
    if not findings:
        return [line(size.width, Span(" "), state_span("ok", look), Span("  nothing to say", "muted"))]
    for finding in findings:
        key = "  [A] " + finding.offer.title if finding.offer else ""
        head = line(
            size.width,
            Span(" "),
            state_span(WORDS[finding.severity], look),
            Span(f"  {inert(finding.title)}", "text bold"),
            Span(inert(key), "accent"),
        )
        rows.append(head)
        for evidence in finding.evidence[:2]:
            rows += [(Span("   "), *row) for row in wrap(inert(evidence), size.width - 4, "muted")[:1]]
    return rows
