"""The database screen: its tabs in order, by name, so that opening one imports only that one."""

TABS: tuple[str, ...] = (
    "perftui.screens.database.overview:OverviewTab",
    "perftui.screens.database.queries:QueriesTab",
    "perftui.screens.database.analyzer:AnalyzerTab",
    "perftui.screens.database.replicas:ReplicasTab",
    "perftui.screens.database.locks:LocksTab",
)
