"""The cache screen: its tabs in order, by name, so that opening one imports only that one."""

TABS: tuple[str, ...] = (
    "perftui.screens.cache.tiers:TiersTab",
    "perftui.screens.cache.latency:LatencyTab",
    "perftui.screens.cache.memory:MemoryTab",
    "perftui.screens.cache.browse.keys:KeysTab",
    "perftui.screens.cache.cluster:ClusterTab",
    "perftui.screens.cache.warming:WarmingTab",
    "perftui.screens.cache.advisor:AdvisorTab",
)
