"""A warm job for the lab's shop, entered as an operator would."""

from __future__ import annotations

from typing import Final

from perftui.cli import common
from perftui.model.action import Action, Plan
from perftui.model.errors import PerftuiError, PlanRejected
from perftui.model.warmjob import WARMING

JOB: Final = {
    "job": "bestsellers",
    "namespace": "shop:product",
    "when": "every 1 m",
    "rate": "20",
    "backend": "valkey",
}


async def enter(config_path: str) -> None:
    """Have products that were bought lately warmed each minute, unless there is such a job.

    Through the one door, so it stands in the audit; a store that cannot be written is told of, no more.
    """
    from perftui.config import load
    from perftui.session import Session

    async def agreed(_action: Action, _plan: Plan) -> bool:
        return True

    config = load(config_path, "lab")
    session = Session.open(config, config.environment, only=set())
    try:
        memory, _, tuning = await session.open_memory()
        await memory.store.ready()  # the tables are there once it has said so
        if (await tuning.warmer.report()).named(JOB["job"]) is None:
            await session.conductor.perform(session.action("cache.warm-add", WARMING, **JOB), agreed)
    except PlanRejected:
        pass  # another lab was faster
    except PerftuiError as error:
        common.narrate(f"the lab's warm job is not there: {error}")
    finally:
        await session.close()
