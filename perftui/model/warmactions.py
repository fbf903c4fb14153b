"""The actions of warm jobs, as rows of the table of all (`perftui.engines.ACTIONS`)."""

from __future__ import annotations

from typing import Final

from perftui.model.risk import Risk

_JOBS: Final = "perftui.engines.cache.warmjobs"

WARM_JOBS: Final[tuple[tuple[str, str, Risk, str, str, str], ...]] = (
    (
        "cache.warm-run",
        "Order a warm run",
        Risk.CHANGES,
        "WarmQueue",
        "perftui.engines.cache.warmrun:WarmRun",
        "Have one node of a cache load a set's keys, named ones or its hottest, at a rate: what a job does.",
    ),
    (
        "cache.warm-add",
        "Add a warm job",
        Risk.CHANGES,
        "WarmDesk",
        f"{_JOBS}:AddJob",
        "Which keys of a cache are warmed when, and how fast; run once, whoever is on the store.",
    ),
    (
        "cache.warm-edit",
        "Edit a warm job",
        Risk.CHANGES,
        "WarmDesk",
        f"{_JOBS}:EditJob",
        "Another cache, time, choice of keys, rate or policy for missed runs; undo puts it back.",
    ),
    (
        "cache.warm-switch",
        "Switch a warm job",
        Risk.CHANGES,
        "WarmDesk",
        f"{_JOBS}:SwitchJob",
        "On or off, for every console and agent of the store.",
    ),
    (
        "cache.warm-remove",
        "Remove a warm job",
        Risk.CHANGES,
        "WarmDesk",
        f"{_JOBS}:RemoveJob",
        "Not while it runs; undo puts it back, without what it last did.",
    ),
    (
        "cache.warm-job",
        "Run a warm job",
        Risk.CHANGES,
        "WarmDesk",
        f"{_JOBS}:RunJob",
        "Do at once what a job does; refused while a run of it is under way anywhere.",
    ),
)
