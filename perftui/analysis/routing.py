"""Which channels hear of an alert: a tree of routes, and what keeps one alert quiet because of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from perftui.analysis.matchers import matches
from perftui.model.alerts import Alert, AlertState, Inhibition
from perftui.model.notify import EscalationPolicy, Route, Step

Labels = Mapping[str, str]


def labels_of(alert: Alert, env: Labels) -> dict[str, str]:
    """What routes and groups see: the alert's own labels, its rule and severity, and the environment's."""
    own = {"rule": alert.rule, "alertname": alert.rule, "source": alert.source}
    return {**env, **own, **dict(alert.labels), "severity": alert.severity.name.lower()}


def routed(routes: Sequence[Route], labels: Labels) -> tuple[Route, ...]:
    """The branches whose channels hear of it, each once; the deepest that matches decides."""
    return tuple(dict.fromkeys(path[-1] for path in paths(routes, labels)))


def paths(routes: Sequence[Route], labels: Labels) -> tuple[tuple[Route, ...], ...]:
    """The way to each branch that decides, from the trunk."""
    children: dict[str, list[Route]] = {}
    for route in routes:
        children.setdefault(route.under, []).append(route)
    return tuple(_walk(children, "", (), labels))


def _walk(
    children: Mapping[str, Sequence[Route]], under: str, above: tuple[Route, ...], labels: Labels
) -> Iterable[tuple[Route, ...]]:
    for route in children.get(under, ()):
        if route in above or not matches(route.matchers, labels):
            continue
        here = (*above, route)
        deeper = tuple(_walk(children, route.name, here, labels))
        yield from deeper or ((here,) if route.channels else ())
        if not route.go_on:
            return


def group_of(route: Route, labels: Labels) -> tuple[tuple[str, str], ...]:
    """The labels by which alerts of a route are told together; `...` stands for all of them."""
    names = sorted(labels) if "..." in route.group_by else route.group_by
    return tuple((name, labels.get(name, "")) for name in names)


def inhibited(
    alerts: Iterable[Alert], rules: Sequence[Inhibition], env: Labels
) -> dict[str, tuple[str, str]]:
    """Fingerprint of each alert that is kept quiet → of the firing one that does it, and by which rule.

    None quiets itself, nor do two each other, on whatever way round.
    """
    if not rules:
        return {}
    firing = [(a, labels_of(a, env)) for a in alerts if a.state is AlertState.FIRING]
    found: dict[str, tuple[str, str]] = {}
    for rule in rules:
        loud: dict[tuple[str, ...], list[str]] = {}
        for alert, labels in firing:
            if matches(rule.source, labels):
                loud.setdefault(_values(rule, labels), []).append(alert.fingerprint)
        for alert, labels in firing:
            # One that is both source and target is not quieted by the rule, else two would hush each other.
            if matches(rule.target, labels) and not matches(rule.source, labels):
                mark = alert.fingerprint
                by = next((b for b in loud.get(_values(rule, labels), ()) if not leads(found, b, mark)), "")
                if by:
                    found.setdefault(mark, (by, rule.name))
    return found


def leads(hushed: Mapping[str, tuple[str, str]], mark: str, to: str) -> bool:
    """Whether who keeps `mark` quiet, and who keeps that one quiet, and so on, comes to `to`."""
    while mark != to:
        if mark not in hushed:
            return False
        mark = hushed[mark][0]
    return True


def _values(rule: Inhibition, labels: Labels) -> tuple[str, ...]:
    return tuple(labels.get(name, "") for name in rule.equal)


def due_steps(policy: EscalationPolicy | None, reached: int, open_for: float) -> tuple[Step, ...]:
    """The steps whose time has come and that were not taken yet."""
    steps = policy.steps if policy else ()
    return tuple(step for step in steps[reached:] if step.after <= open_for)
