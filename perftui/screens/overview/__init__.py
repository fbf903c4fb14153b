"""The overview screen: its tabs in order, by name, so that opening one imports only that one."""

TABS: tuple[str, ...] = (
    "perftui.screens.overview.summary:SummaryTab",
    "perftui.screens.overview.hosts:HostsTab",
    "perftui.screens.overview.api:ApiTab",
    "perftui.screens.overview.business:BusinessTab",
    "perftui.screens.overview.alerts:AlertsTab",
    "perftui.screens.overview.timeline:TimelineTab",
    "perftui.screens.overview.tuning:TuningTab",
    "perftui.screens.overview.audit:AuditTab",
)
