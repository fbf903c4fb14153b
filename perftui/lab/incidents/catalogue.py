"""All incidents by name, in the order they are listed."""

from __future__ import annotations

from perftui.lab.incidents import cache, code, database, traffic
from perftui.lab.incidents.kinds import Incident

CATALOGUE: dict[str, type[Incident]] = {
    kind.name: kind
    for kind in (
        cache.CacheFlush,
        traffic.HotKey,
        code.Stampede,
        database.SlowQuery,
        code.NPlusOne,
        database.LockPileUp,
        code.ConnectionLeak,
        database.ReplicaStall,
        code.CpuHog,
        code.MemoryLeak,
        code.BlockingCall,
        code.ErrorBurst,
        code.WorkerCrash,
        traffic.TrafficSpike,
    )
}
