"""A rehearsed failover drawn: who knew what when, how long writes failed, and the sentence that judges it."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.analysis.buckets import Window
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.gantt import Bar, gantt
from perftui.draw.rows import Look, Rows, Size
from perftui.draw.text import wrap
from perftui.model.cachecluster import SLOTS, words
from perftui.model.rehearsal import Rehearsal, Step

PHASES = (
    ("nobody noticed", "killed", "suspected", "s1"),
    ("suspected", "suspected", "failed", "s2"),
    ("election", "failed", "promoted", "s3"),
    ("made known", "promoted", "agreed", "s4"),
    ("catching up", "revived", "rejoined", "s5"),
)
"""Name, the steps between which it lasts, and its colour."""


def step_text(step: Step) -> str:
    """A step as words: `promoted after 812 ms: 127.0.0.1:7004 …`."""
    at = "" if step.kind == "killed" else f" after {fmt.duration(step.after_s)}"
    who = " ".join(part for part in (inert(step.node, 60), inert(step.text, 80)) if part)
    return f"{inert(step.kind, 20)}{at}" + (f": {who}" if who else "")


def verdict(result: Rehearsal) -> str:
    """One sentence: how long, against what, what it is worth."""
    outage, node = result.outage_s, inert(result.node, 60)
    if outage is None:
        return f"nobody took over from {node}: score 0"
    where = "within" if result.passed else "over" if outage > result.budget_s else "not within"
    fails = f"{fmt.count(result.errors)} writes failed"
    if result.seen.other_errors:
        fails += f", {fmt.count(result.seen.other_errors)} of them at other primaries"
    return (
        f"{fmt.duration(outage)} without writes, {where} the budget of {fmt.duration(result.budget_s)}"
        f" (score {result.score}): {inert(result.seen.taken_by, 60)} took over from {node}; {fails}"
    )


def bars(result: Rehearsal) -> Iterator[Bar]:
    """What could not be written, then its phases, in seconds from the kill."""
    last = max((step.after_s for step in result.seen.steps), default=0.0)
    for number, gap in enumerate(result.seen.gaps):
        whole = gap.slots == (0, SLOTS - 1)
        name = "no writes" if whole else f"no writes {words([gap.slots])}"
        until = last if gap.until_s is None else gap.until_s
        note = f"{gap.errors} failed" if gap.until_s is None else ""
        yield Bar(("gap", number), name, gap.since_s, until, heavy=True, failed=True, note=note)
    for name, begin, end, style in PHASES:
        since, ended = result.after(begin), result.after(end)
        if since is not None and ended is not None:
            yield Bar(name, name, since, max(since, ended), style)


def failover(result: Rehearsal, size: Size, look: Look) -> Rows:
    """The sentence, then bars over the time from the kill until all was as before."""
    rows: Rows = wrap(verdict(result), size.width, "ok" if result.passed else "warn")[
        : max(1, size.height - 3)
    ]
    drawn = list(bars(result))
    end = max((bar.end for bar in drawn), default=1.0)
    left = size.height - len(rows)
    if left > 1 and drawn:
        rows = [*rows, *gantt(drawn, Size(size.width, left), Window(0.0, max(end, 1e-3)), look)]
    return rows
