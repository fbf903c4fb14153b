"""The scaling screen: its tabs in order, by name, so that opening one imports only that one."""

TABS: tuple[str, ...] = (
    "perftui.screens.scaling.overview:OverviewTab",
    "perftui.screens.scaling.history:HistoryTab",
)
