"""PromQL over series of our own: parse once, evaluate at any instant, to the last digit of a server.

How to use it::

    plan = parse('sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) > 0.1')   # cached by text
    vector = evaluate(plan, reader, at=now)                      # tuple of Point(labels, value)
    matrix = evaluate_range(plan, reader, start, end, step)      # tuple of Window(labels, at, values)
    answer = instant(plan, reader, at)                           # scalars, strings and ranges as such

`reader` is a `perftui.model.metrics.MetricReader`: `select(matchers, start, end)` gives series with
their samples, stale markers (`STALE`) included; `matching(matchers)` makes the test of a label set.
`Shelf` is one in memory that can be written to between two evaluations. `dialect` is `GENERATION_2` or
`GENERATION_3`. Errors are `ExpressionError`: a sentence, and for what cannot be read the place and a
`caret`. Nothing here has a clock or does I/O. The parts (`needs`, `children`) let a reader load only what
a plan touches.
"""

from perftui.analysis.promql.evaluate import evaluate, evaluate_range, instant
from perftui.analysis.promql.gather import Need, needs
from perftui.analysis.promql.parse import parse
from perftui.analysis.promql.patterns import matching
from perftui.analysis.promql.shelf import Shelf
from perftui.analysis.promql.tree import Plan

__all__ = [
    "Need",
    "Plan",
    "Shelf",
    "evaluate",
    "evaluate_range",
    "instant",
    "matching",
    "needs",
    "parse",
]
