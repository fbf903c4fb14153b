"""The jobs table of the Warming tab, and the questions behind a new job and a changed one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from perftui.analysis.warmjobs import KEYS, WHEN, checked, read_keys, read_rate, read_when, when_text
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.rows import Look
from perftui.draw.table import Cell, Column
from perftui.model.warmask import WarmSet
from perftui.model.warmjob import WARMING, Ended, JobRow, JobsReport, WarmJob
from perftui.model.warmqueue import What
from perftui.model.warmused import Warmed
from perftui.screens.cache.rows import share_bar
from perftui.screens.tab import Tab

FIRST: Final = "c makes the first job; or: perftui cache warm add NAME --namespace CACHE --every 15m"
NO_STORE: Final = "jobs are kept where history is: perftui run, or perftui agent"
STYLES: Final = {
    Ended.DONE: "ok",
    Ended.PARTLY: "warn",
    Ended.FAILED: "crit",
    Ended.CANCELLED: "muted",
    Ended.SKIPPED: "warn",
}
FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "when": ("When", WHEN),
    "keys": ("Keys", f"which keys: {KEYS}"),
    "rate": ("Loads a second", "loads a second at most, such as 50"),
    "missed": ("Missed runs", "skip, or once"),
    "timezone": ("Time zone", "of a cron expression, such as Europe/Berlin"),
    "namespace": ("Cache", "the cache's name"),
    "warm_set": ("Warm set", "whose loader loads, such as start"),
    "backend": ("Server", "the cache server's name; empty: the first that can"),
}


Used = Mapping[tuple[str, str], Warmed]
"""By namespace and job, what became of the keys that its newest run loaded."""


def columns(
    look: Callable[[], Look], now: Callable[[], float], used: Callable[[], Used] = dict
) -> list[Column]:
    """80 columns keep name, when, next run, last result and keys."""

    def switch(row: JobRow) -> Cell:
        signs = ("*", "o") if look().ascii_ else ("●", "○")
        return (f"{signs[0]} on", "ok") if row.job.on else (f"{signs[1]} off", "muted")

    def upcoming(row: JobRow) -> str:
        at = row.upcoming[0] if row.upcoming else 0.0
        return fmt.age(max(0.0, at - now())) if at else ""

    def words(limit: int) -> Callable[[str], str]:
        return lambda text: inert(text, limit)

    def column(key: str, title: str, show: Any, value: Any, **more: Any) -> Column:
        return Column(key, title, show, value=value, **more)

    return [
        column("job", "Job", words(40), lambda row: row.job.name, width=12),
        column("on", "", lambda cell: cell, switch, width=5),
        column("cache", "Cache", words(80), lambda row: row.job.namespace, width=12, priority=4),
        column("what", "Keys of", words(60), lambda row: row.job.keys, width=14, priority=5),
        column("when", "When", words(60), lambda row: row.job.schedule.when, width=14, priority=1),
        column("next", "Next in", lambda text: text, upcoming, width=7, align="right"),
        column("result", "Last result", lambda cell: cell, last, width=20, grow=True),
        column("keys", "Keys", lambda text: text, settled, width=12, align="right", help="of the last run"),
        column("part", "", share_bar, share, width=16, priority=3),
        column(
            "rate",
            "Loads/s",
            lambda rate: fmt.number(rate) if rate else "",
            lambda row: row.state.rate(now()),
            width=7,
            align="right",
            priority=2,
            help="of the last run, of those its budget allows",
        ),
        column(
            "precision",
            "Precision",
            precision,
            lambda row: judged(used().get((row.job.namespace, row.job.name))),
            width=9,
            align="right",
            priority=2,
            help="of the keys it loaded, those asked for before they expired",
        ),
    ]


def judged(told: Warmed | None) -> tuple[float, bool] | None:
    """The share of loaded keys that were used, and whether some are neither used nor over."""
    return None if told is None or told.precision is None else (told.precision, told.left > 0)


def precision(known: tuple[float, bool] | None) -> Cell:
    """That share: at least so many, where some may still be used."""
    if known is None:
        return fmt.NOTHING, "muted"
    return ("≥" if known[1] else "") + fmt.ratio(known[0]), ""


def last(row: JobRow) -> Cell:
    """What it does now, else how it last ended."""
    state = row.state
    if state.run:
        return ("running", "accent") if state.total is not None else ("waits for a node", "muted")
    if state.outcome is None:
        return "has not run", "muted"
    return inert(f"{state.outcome.value}: {state.result}", 300), STYLES[state.outcome]


def settled(row: JobRow) -> str:
    """Keys done of all."""
    state = row.state
    return "" if state.total is None else f"{fmt.count(state.settled)} of {fmt.count(state.total)}"


def share(row: JobRow) -> tuple[float, float]:
    """The share that is done."""
    return (row.state.settled / row.state.total if row.state.total else 0.0), 0.0


def title(report: JobsReport | None) -> str:
    """The table's title, with the pause switch where it is thrown, or who is missing."""
    if report is None or not report.rows:
        return "Jobs"
    if report.paused:
        return "Jobs: all paused, P lets them run"
    if not report.holder:
        return "Jobs: nobody runs them yet"
    return "Jobs" if report.agent else "Jobs: run while a console is open (perftui agent)"


def _fault(read: Callable[[str], Any]) -> Callable[[str], str]:
    """What is wrong with a text, as a sentence; empty when it can be read."""

    def check(text: str) -> str:
        try:
            read(text)
        except ValueError as error:
            return str(error)
        return ""

    return check


CHECKS: Final[Mapping[str, Callable[[str], str]]] = {
    "when": _fault(read_when),
    "keys": _fault(read_keys),
    "rate": _fault(read_rate),
}


def new_job(tab: Tab, source: str, sets: Iterable[WarmSet], done: Callable[[], None]) -> None:
    """Ask for a name, a cache's set, when, which keys and how fast; then plan."""
    known = sorted({(one.namespace, one.name) for one in sets})

    def named(name: str) -> None:
        if len(known) < 2:
            whose(name, *(known[0] if known else ("", "start")))
            return
        options = [(str(n), f"{inert(space, 60)}  {set_}") for n, (space, set_) in enumerate(known)]
        tab.choose("Whose keys", options, lambda number: whose(name, *known[int(number)]))

    def whose(name: str, namespace: str, set_: str) -> None:
        said = {"job": name.strip(), "namespace": namespace, "warm_set": set_, "backend": source}
        if namespace:
            _ask_rest(tab, said, ("when", "keys", "rate"), done)
        else:
            _ask_rest(tab, said, ("namespace", "when", "keys", "rate"), done)

    valid = _fault(lambda text: checked(WarmJob(text.strip(), "cache", every=60.0)))
    tab.ask("New warm job", "its name, such as nightly", named, check=valid)


DEFAULTS: Final = {"when": "every 15 m", "keys": "set", "rate": "50", "namespace": ""}


def _ask_rest(tab: Tab, said: dict[str, str], fields: tuple[str, ...], done: Callable[[], None]) -> None:
    """One question after the other, each begun with what is usual."""
    if not fields:
        tab.perform("cache.warm-add", WARMING, lambda _receipt: done(), **said)
        return
    field = fields[0]

    def answered(text: str) -> None:
        _ask_rest(tab, {**said, field: text.strip()}, fields[1:], done)

    name, prompt = FIELDS[field]
    heading = f"Warm job {said['job']}: {name}"
    tab.ask(heading, prompt, answered, DEFAULTS[field], CHECKS.get(field))


def edit_job(tab: Tab, row: JobRow, done: Callable[[], None]) -> None:
    """Choose what is to be changed, ask for it, then plan."""
    job = row.job
    now = {
        "when": when_text(job),
        "keys": {What.SET: "set", What.TOP: f"top {job.top}", What.KEYS: "keys "}[job.what],
        "rate": f"{job.rate:g}",
        "missed": job.missed.value,
        "timezone": job.timezone,
        "namespace": job.namespace,
        "warm_set": job.warm_set,
        "backend": job.backend,
    }

    def asked(field: str) -> None:
        def answered(text: str) -> None:
            said = {field: text.strip()}
            tab.perform("cache.warm-edit", WARMING, lambda _receipt: done(), job=job.name, **said)

        name, prompt = FIELDS[field]
        tab.ask(f"Warm job {job.name}: {name}", prompt, answered, now[field], CHECKS.get(field))

    shown = {**now, "keys": job.keys}
    options = [(field, f"{name}: {inert(shown[field], 60)}") for field, (name, _) in FIELDS.items()]
    tab.choose(f"Edit warm job {job.name}", options, asked)
