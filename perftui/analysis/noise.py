"""What made alerts noisy over a span of history, and the edit that would have cured it; pure."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from perftui.analysis.backtest import at_night
from perftui.analysis.promduration import show_duration
from perftui.model.alerts import AlertEvent, Rule
from perftui.model.finding import Severity
from perftui.model.noise import Cure, NoiseReport, PersonNoise, RuleNoise
from perftui.model.notify import Delivery, DeliveryState, What

SHORT = 300.0  # seconds: what is over so soon needed nobody
APART = 600.0  # seconds between an end and the next beginning below which both are one trouble
FEWEST = 3  # firings below which nothing is concluded
HOLDS = (60.0, 120.0, 300.0, 600.0, 900.0)
TOGETHER = 60.0  # seconds within which two rules of one source fire for the same reason
PAGES = frozenset({What.TRIGGER, What.UPDATE, What.REPEAT, What.ESCALATE})


@dataclass(slots=True)
class _Spell:
    """One firing."""

    mark: str
    source: str
    severity: Severity
    fired: float
    ended: float | None = None
    acked: bool = False

    @property
    def lasted(self) -> float | None:
        return None if self.ended is None else self.ended - self.fired


def noise(
    events: Iterable[AlertEvent],
    deliveries: Iterable[Delivery],
    rules: Sequence[Rule],
    start: float,
    end: float,
    tz: dt.tzinfo | None = None,
    names: Mapping[str, str] | None = None,
) -> NoiseReport:
    """The report over [start, end); events oldest first, from `start` to now; people's names by number."""
    spells = _spells(events, start, end)
    sent = [one for one in deliveries if _paged(one, start, end)]
    by_mark = {spell.mark: rule for rule, found in spells.items() for spell in found}
    pages: dict[str, int] = {}
    for one in sent:
        for rule in {by_mark[mark] for mark in one.fingerprints if mark in by_mark}:
            pages[rule] = pages.get(rule, 0) + 1
    known = {rule.name: rule for rule in rules}
    rows = [_rule(name, found, pages.get(name, 0), known, spells, tz) for name, found in spells.items()]
    rows.sort(key=lambda row: (-row.pages, -row.fired, row.rule))
    silent = tuple(r.name for r in rules if r.name not in spells and not r.off and not r.record)
    return NoiseReport(start, end, tuple(rows), _people(sent, names or {}, tz), silent)


def _paged(one: Delivery, start: float, end: float) -> bool:
    at = one.sent_at or one.at
    return one.what in PAGES and one.state is DeliveryState.SENT and start <= at < end


def _spells(events: Iterable[AlertEvent], start: float, end: float) -> dict[str, list[_Spell]]:
    found: dict[tuple[str, str, float], _Spell] = {}
    for event in events:
        key = (event.rule, event.fingerprint, event.began)
        if event.kind == "firing" and start <= event.at < end:
            found.setdefault(key, _Spell(event.fingerprint, event.source, event.severity, event.at))
        elif key in found and event.kind == "resolved":
            found[key].ended = event.at
        elif key in found and event.kind == "acknowledged":
            found[key].acked = True
    by_rule: dict[str, list[_Spell]] = {}
    for (rule, _, _), spell in found.items():
        by_rule.setdefault(rule, []).append(spell)
    return by_rule


def _rule(
    name: str,
    found: Sequence[_Spell],
    pages: int,
    rules: Mapping[str, Rule],
    everything: Mapping[str, Sequence[_Spell]],
    tz: dt.tzinfo | None,
) -> RuleNoise:
    lasted = [spell.lasted for spell in found if spell.lasted is not None]
    return RuleNoise(
        name,
        len(found),
        pages,
        sum(at_night(spell.fired, tz) for spell in found),
        sum(not spell.acked for spell in found),
        sum(seconds < SHORT for seconds in lasted),
        _flaps(found),
        sum(lasted),
        tuple(_cures(name, found, lasted, rules.get(name), everything)),
    )


def _flaps(found: Sequence[_Spell]) -> int:
    by_mark: dict[str, list[_Spell]] = {}
    for spell in found:
        by_mark.setdefault(spell.mark, []).append(spell)
    return sum(
        after.fired - (before.ended or after.fired + APART) < APART
        for spells in by_mark.values()
        for before, after in pairwise(spells)
        if before.ended is not None
    )


def _cures(
    name: str,
    found: Sequence[_Spell],
    lasted: Sequence[float],
    rule: Rule | None,
    everything: Mapping[str, Sequence[_Spell]],
) -> Iterable[Cure]:
    count = len(found)
    if count < FEWEST:
        return
    flaps, short = _flaps(found), sum(seconds < SHORT for seconds in lasted)
    if flaps * 2 >= count:
        yield Cure("it flaps", _edit(rule, "keep", APART), flaps, count)
    elif short * 2 >= count:
        hold, spares = _hold(lasted)
        longer = hold + (rule.hold if rule is not None else 0.0)
        yield Cure("it is over by itself within minutes", _edit(rule, "hold", longer), spares, count)
    louder = _louder(name, found, everything)
    if louder:
        pair = f"source = 'rule=\"{louder}\"', target = 'rule=\"{name}\"'"
        edit = f'[alerts.inhibit.NAME] {pair}, equal = ["source"]'
        yield Cure(f"{louder} fires with it", edit, count, count)
    elif not any(spell.acked for spell in found) and found[0].severity > Severity.INFO:
        yield Cure("nobody ever acknowledged it", _edit(rule, "severity", 0.0), count, count)


def _hold(lasted: Sequence[float]) -> tuple[float, int]:
    """The shortest that spares half of those that were short, and how many it spares."""
    short = sum(seconds < SHORT for seconds in lasted)
    for hold in HOLDS:
        spares = sum(seconds < hold for seconds in lasted)
        if spares * 2 >= short:
            return hold, spares
    return SHORT, short


def _louder(name: str, found: Sequence[_Spell], everything: Mapping[str, Sequence[_Spell]]) -> str:
    """Another rule, as severe or more, that fired for the same source at the same time each time."""
    for other, spells in everything.items():
        if other == name or (spells[0].severity, other) <= (found[0].severity, name):
            continue
        fired: dict[str, list[float]] = {}
        for spell in spells:
            fired.setdefault(spell.source, []).append(spell.fired)
        if all(_near(fired.get(one.source, ()), one.fired) for one in found):
            return other
    return ""


def _near(instants: Sequence[float], at: float) -> bool:
    """Whether one of them, in order of time, is as near as what fires for the same reason."""
    place = bisect_left(instants, at - TOGETHER)
    return place < len(instants) and instants[place] <= at + TOGETHER


def _edit(rule: Rule | None, what: str, seconds: float) -> str:
    """Where and how, in the words of the place that declares the rule."""
    if rule is None or rule.of_finding:
        return "take it out of `findings` in [alerts], or silence it" if what != "keep" else "silence it"
    if rule.expr:
        words = {"hold": "for", "keep": "keep_firing_for"}
        text = f"{words[what]}: {show_duration(seconds)}" if what in words else "severity: info"
        return f"{text} in {rule.place}"
    words = {"hold": f"lasting = {seconds:g}", "keep": f"keep = {seconds:g}", "severity": 'severity = "info"'}
    return f"[alerts.rules.{rule.name}] {words[what]}"


def _people(
    sent: Sequence[Delivery], names: Mapping[str, str], tz: dt.tzinfo | None
) -> tuple[PersonNoise, ...]:
    found: dict[str, list[float]] = {}
    for one in sent:
        found.setdefault(names.get(one.to, one.to) or one.channel, []).append(one.sent_at or one.at)
    rows = [PersonNoise(who, len(at), sum(at_night(one, tz) for one in at)) for who, at in found.items()]
    return tuple(sorted(rows, key=lambda row: (-row.pages, row.who)))
