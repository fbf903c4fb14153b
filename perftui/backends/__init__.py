"""Every live system perftui can speak to, by kind; importing this imports none of them."""

BUILTIN: dict[str, str] = {
    "host": "perftui.backends.host:Host",
    "scrape": "perftui.backends.scrape:Scrape",
    "valkey": "perftui.backends.valkey:Valkey",
    "postgres": "perftui.backends.postgres:Postgres",
    "varnish": "perftui.backends.varnish:Varnish",
    "pyedge": "perftui.backends.pyedge:PyEdge",
    "processpool": "perftui.backends.processpool:ProcessPool",
    "pyspy": "perftui.backends.pyspy:PySpy",
}

OPTIONS: dict[str, str] = {
    "host": "perftui.model.options:HostOptions",
    "scrape": "perftui.model.options:ScrapeOptions",
    "valkey": "perftui.model.options:ValkeyOptions",
    "postgres": "perftui.model.options:PostgresOptions",
    "varnish": "perftui.model.options:VarnishOptions",
    "pyedge": "perftui.model.options:PyEdgeOptions",
    "processpool": "perftui.model.options:PoolOptions",
    "pyspy": "perftui.model.options:PySpyOptions",
}
"""Kind → the `Options` of its class, from where they can be had without importing the backend."""
