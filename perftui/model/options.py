"""What each kind of backend can be told; by itself, so that checking a configuration imports no backend."""

from __future__ import annotations

from dataclasses import dataclass, field


def _watch_every(whose: str) -> float:
    """How often the command stream is looked at; `whose`, where there are several servers."""
    told = (
        f"seconds between looks at the command stream{whose} (MONITOR, 500 commands or 2 s at most) that"
        " find hot keys unasked; 0: only by key"
    )
    watched: float = field(default=0.0, metadata={"help": told})
    return watched


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Where to look."""

    proc: str = field(default="/proc", metadata={"help": "proc folder of the host (Linux)"})
    sys: str = field(default="/sys", metadata={"help": "sys folder of the host (Linux)"})
    every_disk: bool = field(
        default=False, metadata={"help": "also show loop, ram and mapped devices beside what they stand on"}
    )


@dataclass(frozen=True, slots=True)
class ScrapeOptions:
    """Where the metrics are, and what they are called where their names are unusual."""

    url: str = field(metadata={"help": "address of the metrics, like http://127.0.0.1:8000/metrics"})
    service: str = field(default="", metadata={"help": "name shown for it (default: the backend's name)"})
    token: str = field(default="", repr=False, metadata={"help": "bearer token", "secret": True})
    window: float = field(default=10.0, metadata={"help": "seconds over which rates and quantiles are taken"})
    requests: str = field(default="", metadata={"help": "counter of requests, if its name is unusual"})
    durations: str = field(
        default="", metadata={"help": "histogram of durations in seconds, without _bucket"}
    )
    in_flight: str = field(default="", metadata={"help": "gauge of requests in flight"})
    keep: tuple[str, ...] = field(
        default=(),
        metadata={"help": "metrics kept under their own names for rules and queries, such as `myapp_*`"},
    )
    most_samples: int = field(default=50_000, metadata={"help": "samples of a scrape; more are refused"})
    username: str = field(default="", metadata={"help": "user of basic authentication"})
    password: str = field(default="", repr=False, metadata={"help": "password of that user", "secret": True})
    tenant: str = field(default="", metadata={"help": "tenant, sent as X-Scope-OrgID"})
    ca_file: str = field(default="", metadata={"help": "CA certificate for https; empty: the usual ones"})
    cert_file: str = field(default="", metadata={"help": "our certificate, where the target asks for one"})
    key_file: str = field(default="", metadata={"help": "key of our certificate"})


@dataclass(frozen=True, slots=True)
class AccessLogOptions:
    """Where a web server or proxy writes its access log, and how."""

    path: str = field(
        metadata={"help": "the file, like /var/log/nginx/access.log; followed through rotation"}
    )
    format: str = field(
        default="auto",
        metadata={
            "help": "auto, combined, json, or nginx' own log_format, like '$request $status $request_time'"
        },
    )
    unit: str = field(default="", metadata={"help": "of durations: s, ms, us, ns; empty: what such logs use"})
    service: str = field(default="", metadata={"help": "name shown for it (default: the backend's name)"})
    routes: tuple[str, ...] = field(
        default=(),
        metadata={"help": "route templates, like /product/{id}; other paths get {id} for their ids"},
    )
    window: float = field(default=10.0, metadata={"help": "seconds over which rates and quantiles are taken"})


@dataclass(frozen=True, slots=True)
class TargetsOptions:
    """Which addresses, given here, in a file of Prometheus' file discovery, or both."""

    targets: tuple[str, ...] = field(
        default=(), metadata={"help": "addresses: web1:9100, or http://web1:9100/metrics"}
    )
    file: str = field(
        default="",
        metadata={"help": "JSON file of Prometheus' file_sd_configs; read again when it changes"},
    )
    token: str = field(
        default="", repr=False, metadata={"help": "bearer token sent to all of them", "secret": True}
    )
    every: float = field(default=5.0, metadata={"help": "seconds between reads of one target (1-300)"})
    keep: tuple[str, ...] = field(
        default=(),
        metadata={"help": "metrics kept under their own names for rules and queries, 500 series a target"},
    )
    most_samples: int = field(default=50_000, metadata={"help": "samples of a scrape; more are refused"})
    username: str = field(default="", metadata={"help": "user of basic authentication"})
    password: str = field(default="", repr=False, metadata={"help": "password of that user", "secret": True})
    tenant: str = field(default="", metadata={"help": "tenant, sent as X-Scope-OrgID"})
    ca_file: str = field(default="", metadata={"help": "CA certificate for https; empty: the usual ones"})
    cert_file: str = field(default="", metadata={"help": "our certificate, where the targets ask for one"})
    key_file: str = field(default="", metadata={"help": "key of our certificate"})


@dataclass(frozen=True, slots=True)
class ValkeyOptions:
    """How to reach one server; secrets never show in a repr."""

    url: str = field(
        default="redis://127.0.0.1:6379/0",
        repr=False,
        metadata={"help": "redis://, rediss:// (TLS), valkey:// or unix:// URL, with the database number"},
    )
    username: str = field(default="", metadata={"help": "ACL user; empty: the default user"})
    password: str = field(default="", repr=False, metadata={"help": "password of that user", "secret": True})
    ca_file: str = field(default="", metadata={"help": "CA certificate for rediss://; empty: the system's"})
    queues: tuple[str, ...] = field(
        default=(), metadata={"help": "lists and streams that are queues; BullMQ, RQ and Celery are found"}
    )
    slow_entries: int = field(default=32, metadata={"help": "slow log entries read with every look (0-128)"})
    watch_every: float = _watch_every("")


@dataclass(frozen=True, slots=True)
class ValkeySentinelOptions:
    """How to reach a group that sentinels watch: some of them; the others and the servers are found."""

    url: str = field(
        default="redis+sentinel://127.0.0.1:26379/mymaster",
        repr=False,
        metadata={
            "help": "redis+sentinel://host:port,host:port/NAME (rediss+sentinel: TLS): the group's name"
        },
    )
    username: str = field(default="", metadata={"help": "ACL user of the servers; empty: the default user"})
    password: str = field(
        default="", repr=False, metadata={"help": "password of that user at the servers", "secret": True}
    )
    sentinel_password: str = field(
        default="", repr=False, metadata={"help": "password of the sentinels", "secret": True}
    )
    ca_file: str = field(default="", metadata={"help": "CA certificate for TLS; empty: the system's"})
    heartbeat: float = field(
        default=0.0,
        metadata={
            "help": "seconds between writes of a key (`perftui:beat:…`, 10 s life) to the primary, which"
            " measure how long it cannot be written; 0, or read-only from the start: none are made",
            "writes": True,
        },
    )
    control: str = field(
        default="",
        metadata={
            "help": "file that says how the lab that holds the group is told what to do (`sentinel.json` in"
            " the state folder): its primary may be killed in a rehearsal"
        },
    )
    watch_every: float = _watch_every(" of the primary")


@dataclass(frozen=True, slots=True)
class ValkeyRegionsOptions:
    """How to reach a server and its replicas in other regions, and what is done when the primary is lost."""

    url: str = field(
        default="redis+region://127.0.0.1:6379,127.0.0.1:6380",
        repr=False,
        metadata={"help": "redis+region://host:port,host:port (rediss+region: TLS), with one login for all"},
    )
    username: str = field(default="", metadata={"help": "ACL user; empty: the default user"})
    password: str = field(default="", repr=False, metadata={"help": "password of that user", "secret": True})
    ca_file: str = field(default="", metadata={"help": "CA certificate for TLS; empty: the system's"})
    bound: float = field(
        default=60.0,
        metadata={"help": "seconds since it heard from its primary above which a replica is not promoted"},
    )
    lost_after: float = field(
        default=5.0,
        metadata={
            "help": "seconds without an answer, asked for each second, after which a primary that hangs is"
            " lost, if no replica reaches it either; 3 or more. One that refuses connections is lost at once"
        },
    )
    automatic: bool = field(
        default=False,
        metadata={
            "help": "an agent promotes a replica when the primary is lost, lets one that comes back follow"
            " the one promoted since (what it holds is replaced), and other replicas too; else all that waits"
            " for an operator",
            "writes": True,
        },
    )
    heartbeat: float = field(
        default=0.0,
        metadata={
            "help": "seconds between writes of a key (`perftui:beat:…`, 10 s life) to the primary, which"
            " measure how long it cannot be written; 0, or read-only from the start: none are made",
            "writes": True,
        },
    )
    watch_every: float = _watch_every(" of the primary")


@dataclass(frozen=True, slots=True)
class ValkeyClusterOptions:
    """How to reach a cluster: some of its nodes; the rest are found."""

    url: str = field(
        default="redis+cluster://127.0.0.1:7000",
        repr=False,
        metadata={
            "help": "redis+cluster://host:port,host:port (rediss+cluster: TLS): a few nodes are enough"
        },
    )
    username: str = field(default="", metadata={"help": "ACL user; empty: the default user"})
    password: str = field(default="", repr=False, metadata={"help": "password of that user", "secret": True})
    ca_file: str = field(default="", metadata={"help": "CA certificate for TLS; empty: the system's"})
    heartbeat: float = field(
        default=0.0,
        metadata={
            "help": "seconds between writes of a key (`perftui:beat:…`, 10 s life) to each primary, which"
            " measure how long it cannot be written; 0, or read-only from the start: none are made",
            "writes": True,
        },
    )
    control: str = field(
        default="",
        metadata={
            "help": "file that says how the lab that holds the cluster is told what to do (`lab.json` or"
            " `cluster.json` in the state folder): its nodes may be killed in a rehearsal"
        },
    )
    watch_every: float = _watch_every(" of all primaries")


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """Where the server is and how much of it is read."""

    dsn: str = field(
        default="postgresql://localhost/postgres",
        repr=False,
        metadata={"help": "postgresql://user@host:port/database of one server", "secret": True},
    )
    password: str = field(
        default="",
        repr=False,
        metadata={"help": "password, unless it is in the dsn or ~/.pgpass", "secret": True},
    )
    statements: int = field(
        default=1000, metadata={"help": "most entries of pg_stat_statements read at once"}
    )


@dataclass(frozen=True, slots=True)
class VarnishOptions:
    """How to reach one Varnish."""

    url: str = field(metadata={"help": "where visitors reach it, http://host:port"})
    dir: str = field(default="", metadata={"help": "its -n folder on this host, for counters and log"})
    purge_url: str = field(default="", metadata={"help": "where it accepts PURGE; empty: the same as url"})
    token: str = field(
        default="", repr=False, metadata={"help": "token the VCL wants with a PURGE", "secret": True}
    )


@dataclass(frozen=True, slots=True)
class PyEdgeOptions:
    """How to reach one Python edge."""

    url: str = field(metadata={"help": "where visitors reach it, http://host:port"})
    token: str = field(
        default="", repr=False, metadata={"help": "token of its control routes", "secret": True}
    )


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How to reach the supervisor."""

    socket: str = field(metadata={"help": "path of the supervisor's control socket"})


@dataclass(frozen=True, slots=True)
class PySpyOptions:
    """Where profiles are kept."""

    archive: str = field(
        default="", metadata={"help": "folder of kept profiles (default: in the state folder)"}
    )


@dataclass(frozen=True, slots=True)
class PrometheusOptions:
    """How to reach one server with Prometheus' query API."""

    url: str = field(
        default="http://127.0.0.1:9090",
        repr=False,
        metadata={"help": "its address, with a path prefix where it has one"},
    )
    token: str = field(default="", repr=False, metadata={"help": "bearer token", "secret": True})
    username: str = field(default="", metadata={"help": "user of basic authentication"})
    password: str = field(default="", repr=False, metadata={"help": "password of that user", "secret": True})
    tenant: str = field(default="", metadata={"help": "tenant, sent as X-Scope-OrgID"})
    ca_file: str = field(default="", metadata={"help": "CA certificate for https; empty: the usual ones"})
    cert_file: str = field(default="", metadata={"help": "our certificate, where the server asks for one"})
    key_file: str = field(default="", metadata={"help": "key of our certificate"})
    timeout: float = field(default=8.0, metadata={"help": "seconds a query may take"})


@dataclass(frozen=True, slots=True)
class PromHostsOptions(PrometheusOptions):
    """How to reach the server, and which of its hosts are watched."""

    match: str = field(
        default="", metadata={"help": 'matchers of their series, such as job="node"; empty: every host'}
    )


@dataclass(frozen=True, slots=True)
class StatsdOptions:
    """Where to listen; always on 127.0.0.1, for the sender of a datagram cannot be known."""

    port: int = field(default=8125, metadata={"help": "UDP port; 0: any that is free"})


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """How to reach one cluster, and which of its consumer groups are told."""

    bootstrap: str = field(
        default="127.0.0.1:9092", metadata={"help": "a broker or several, as host:port,host:port"}
    )
    username: str = field(default="", metadata={"help": "SASL user; empty: no login"})
    password: str = field(default="", repr=False, metadata={"help": "password of that user", "secret": True})
    mechanism: str = field(
        default="SCRAM-SHA-512", metadata={"help": "SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"}
    )
    tls: bool = field(default=False, metadata={"help": "speak TLS"})
    ca_file: str = field(default="", metadata={"help": "CA certificate for tls; empty: the system's"})
    groups: tuple[str, ...] = field(
        default=("*",), metadata={"help": "patterns of consumer groups that are told"}
    )
    topics: tuple[str, ...] = field(default=("*",), metadata={"help": "patterns of topics that are told"})


@dataclass(frozen=True, slots=True)
class RabbitMqOptions:
    """How to reach the management plugin of one cluster."""

    url: str = field(
        default="http://127.0.0.1:15672",
        repr=False,
        metadata={"help": "address of its management API, with a path prefix where it has one"},
    )
    username: str = field(default="guest", metadata={"help": "user with the tag `monitoring`"})
    password: str = field(default="", repr=False, metadata={"help": "password of that user", "secret": True})
    vhost: str = field(default="", metadata={"help": "one virtual host; empty: all that the user may see"})
    ca_file: str = field(default="", metadata={"help": "CA certificate for https; empty: the system's"})


@dataclass(frozen=True, slots=True)
class CloudWatchOptions:
    """Which metrics of CloudWatch are read, whose keys sign, and where our own figures go."""

    region: str = field(metadata={"help": "AWS region, like eu-west-1"})
    metrics: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "metrics read: `AWS/RDS/CPUUtilization{DBInstanceIdentifier=db1} Average` and the like"
        },
    )
    access_key: str = field(
        default="", metadata={"help": "access key id; empty: environment, profile or the machine's role"}
    )
    secret_key: str = field(default="", repr=False, metadata={"help": "secret access key", "secret": True})
    session_token: str = field(
        default="", repr=False, metadata={"help": "session token of temporary keys", "secret": True}
    )
    profile: str = field(default="", metadata={"help": "profile of ~/.aws, where no key is given"})
    namespace: str = field(default="perftui", metadata={"help": "namespace of figures that are put"})
    base_url: str = field(default="", metadata={"help": "where the API is; empty: the region's own"})


@dataclass(frozen=True, slots=True)
class DatadogOptions:
    """Which queries are read of Datadog, and with whose keys."""

    api_key: str = field(repr=False, metadata={"help": "API key", "secret": True})
    app_key: str = field(
        default="", repr=False, metadata={"help": "application key: queries want one", "secret": True}
    )
    queries: tuple[str, ...] = field(
        default=(), metadata={"help": "queries read: `avg:system.cpu.user{*} by {host}` and the like"}
    )
    site: str = field(default="datadoghq.com", metadata={"help": "the site, such as datadoghq.eu"})
    base_url: str = field(default="", metadata={"help": "where the API is; empty: the site's own"})
