"""What people say of a warm job, made into one that can be: its clock, its keys, its bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from perftui.analysis.schedule import check, parse_every
from perftui.model.warmask import NAME
from perftui.model.warmjob import Missed, WarmJob
from perftui.model.warmqueue import LARGEST_KEYS, MOST_KEYS, What
from perftui.model.warmused import JOB

KEYS: Final = "set, top 500, keys a b c, or file /path/to/keys (one a line)"
WHEN: Final = "every 15 m, or cron such as 0 6 * * 1-5"
_LONGEST: Final = 200  # characters of a namespace
_PERIOD: Final = re.compile(r"(?:every\s+)?(\d[\d.]*\s*[smhd])\Z")
_LEAST, _MOST = 0.1, 10_000.0  # loads a second


def changed(job: WarmJob, said: Mapping[str, Any]) -> WarmJob:
    """The job with what was said of `namespace warm_set when timezone rate missed backend on`.

    Raises:
        ValueError: a sentence about what cannot be.
    """
    made = job
    for name in ("namespace", "warm_set", "backend", "timezone"):
        if name in said:
            made = replace(made, **{name: str(said[name]).strip()})  # type: ignore[arg-type]
    if "when" in said:
        cron, every = read_when(str(said["when"]))
        made = replace(made, cron=cron, every=every)
    if "rate" in said:
        made = replace(made, rate=read_rate(said["rate"]))
    if "missed" in said:
        made = replace(made, missed=_missed(str(said["missed"])))
    if "on" in said:
        made = replace(made, on=bool(said["on"]))
    return checked(made)


def checked(job: WarmJob) -> WarmJob:
    """The job itself; ValueError says why it cannot be one."""
    if not JOB.fullmatch(job.name):
        raise ValueError("a job's name is 1 to 40 of a-z 0-9 _ . -, and begins with a letter or digit")
    if not 0 < len(job.namespace) <= _LONGEST or not job.namespace.isprintable():
        raise ValueError("a job names the cache whose keys it warms")
    if not NAME.fullmatch(job.warm_set):
        raise ValueError("a warm set's name is 1 to 32 of a-z 0-9 _ -")
    if bool(job.cron) == bool(job.every):
        raise ValueError(f"a job says when: {WHEN}")
    check(job.cron or "0 0 * * *", job.timezone)
    return job


def read_when(text: str) -> tuple[str, float]:
    """Cron and seconds, of which one is empty; ValueError for neither."""
    period = _PERIOD.match(text.strip())
    if period is not None:
        return "", parse_every(period[1])
    if not text.strip():
        raise ValueError(f"a job says when: {WHEN}")
    check(text.strip(), "UTC")
    return text.strip(), 0.0


def when_text(job: WarmJob) -> str:
    """What `read_when` reads, of a job."""
    return job.cron or job.schedule.when


def read_keys(text: str) -> tuple[What, int, str, tuple[str, ...]]:
    """Which keys: what, how many of the hottest, the file of them, or they themselves.

    Raises:
        ValueError: it is none of these.
    """
    word, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    if word in {"", "set"} and not rest:
        return What.SET, 0, "", ()
    if word == "top" and rest.replace(",", "").isdecimal():
        top = int(rest.replace(",", ""))
        if not 1 <= top <= MOST_KEYS:
            raise ValueError(f"top 1 to {MOST_KEYS:,}")
        return What.TOP, top, "", ()
    if word == "file" and rest:
        return What.KEYS, 0, rest, ()
    if word == "keys" and rest:
        return What.KEYS, 0, "", bounded(rest.split())
    raise ValueError(f"which keys? {KEYS}")


def bounded(keys: Sequence[str]) -> tuple[str, ...]:
    """Keys that a job may name, each once; ValueError where there are none or too many."""
    found = tuple(dict.fromkeys(key for key in keys if key))
    if not found:
        raise ValueError("there is no key in it")
    if len(found) > MOST_KEYS or sum(len(key.encode("utf-8", "replace")) + 1 for key in found) > LARGEST_KEYS:
        raise ValueError(f"a job names {MOST_KEYS:,} keys at most, of {LARGEST_KEYS >> 10} KiB in all")
    if any("\0" in key or "\n" in key for key in found):
        raise ValueError("keys with NUL or line breaks cannot be named in a job")
    return found


def read_rate(said: Any) -> float:
    """Loads a second; ValueError for what is no number, or out of bounds."""
    try:
        rate = float(str(said).strip().removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not _LEAST <= rate <= _MOST:
        raise ValueError(f"loads a second: {_LEAST:g} to {_MOST:,.0f}")
    return rate


def _missed(text: str) -> Missed:
    try:
        return Missed(text)
    except ValueError:
        raise ValueError("missed runs: skip, or once") from None
