"""The profiling screen: its tabs in order, by name, so that opening one imports only that one."""

TABS: tuple[str, ...] = (
    "perftui.screens.profiling.overview:OverviewTab",
    "perftui.screens.profiling.cpu:CpuTab",
)
