"""The CDN screen: its tabs in order, by name, so that opening one imports only that one."""

TABS: tuple[str, ...] = (
    "perftui.screens.cdn.traffic:TrafficTab",
    "perftui.screens.cdn.content:ContentTab",
    "perftui.screens.cdn.purge:PurgeTab",
)
