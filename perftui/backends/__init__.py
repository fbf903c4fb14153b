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
