"""The optimization screen: its tabs in order, by name, so that opening one imports only that one."""

TABS: tuple[str, ...] = (
    "perftui.screens.optimization.overview:OverviewTab",
    "perftui.screens.optimization.recommendations:RecommendationsTab",
)
