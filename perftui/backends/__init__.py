"""Every live system perftui can speak to, by kind; importing this imports none of them."""

BUILTIN: dict[str, str] = {
    "host": "perftui.backends.host:Host",
    "scrape": "perftui.backends.scrape:Scrape",
    "accesslog": "perftui.backends.scrape.accesslog:AccessLog",
    "targets": "perftui.backends.scrape.targets:Targets",
    "prometheus": "perftui.backends.prometheus:Prometheus",
    "promhosts": "perftui.backends.prometheus.hosts:PrometheusHosts",
    "valkey": "perftui.backends.valkey:Valkey",
    "valkey-cluster": "perftui.backends.valkey.cluster:ValkeyCluster",
    "valkey-sentinel": "perftui.backends.valkey.sentinel:ValkeySentinel",
    "valkey-regions": "perftui.backends.valkey.pair:ValkeyRegions",
    "postgres": "perftui.backends.postgres:Postgres",
    "varnish": "perftui.backends.varnish:Varnish",
    "pyedge": "perftui.backends.pyedge:PyEdge",
    "processpool": "perftui.backends.processpool:ProcessPool",
    "pyspy": "perftui.backends.pyspy:PySpy",
    "statsd": "perftui.backends.statsd:Statsd",
    "kafka": "perftui.backends.kafka:Kafka",
    "rabbitmq": "perftui.backends.rabbitmq:RabbitMq",
    "cloudwatch": "perftui.backends.aws.cloudwatch:CloudWatch",
    "datadog": "perftui.backends.datadog:Datadog",
}

OPTIONS: dict[str, str] = {
    "host": "perftui.model.options:HostOptions",
    "scrape": "perftui.model.options:ScrapeOptions",
    "accesslog": "perftui.model.options:AccessLogOptions",
    "targets": "perftui.model.options:TargetsOptions",
    "prometheus": "perftui.model.options:PrometheusOptions",
    "promhosts": "perftui.model.options:PromHostsOptions",
    "valkey": "perftui.model.options:ValkeyOptions",
    "valkey-cluster": "perftui.model.options:ValkeyClusterOptions",
    "valkey-sentinel": "perftui.model.options:ValkeySentinelOptions",
    "valkey-regions": "perftui.model.options:ValkeyRegionsOptions",
    "postgres": "perftui.model.options:PostgresOptions",
    "varnish": "perftui.model.options:VarnishOptions",
    "pyedge": "perftui.model.options:PyEdgeOptions",
    "processpool": "perftui.model.options:PoolOptions",
    "pyspy": "perftui.model.options:PySpyOptions",
    "statsd": "perftui.model.options:StatsdOptions",
    "kafka": "perftui.model.options:KafkaOptions",
    "rabbitmq": "perftui.model.options:RabbitMqOptions",
    "cloudwatch": "perftui.model.options:CloudWatchOptions",
    "datadog": "perftui.model.options:DatadogOptions",
}
"""Kind → the `Options` of its class, from where they can be had without importing the backend."""

CHANNELS: dict[str, str] = {
    "pagerduty": "perftui.backends.pagerduty:PagerDuty",
    "slack": "perftui.backends.slack:Slack",
    "email": "perftui.backends.smtp:Email",
    "sms": "perftui.backends.sms:Sms",
    "sns": "perftui.backends.aws.sns:Sns",
    "webhook": "perftui.backends.webhook:Webhook",
    "alertmanager": "perftui.backends.alertmanager:Alertmanager",
    "apprise": "perftui.backends.apprise:Apprise",
    "heartbeat": "perftui.backends.heartbeat:Heartbeat",
}
"""Every way to reach people, by kind."""

POST = "perftui.backends.httppost:HttpPost"
"""What makes the senders' requests."""

CHANNEL_OPTIONS: dict[str, str] = {
    "pagerduty": "perftui.model.channels:PagerDutyOptions",
    "slack": "perftui.model.channels:SlackOptions",
    "email": "perftui.model.channels:EmailOptions",
    "sms": "perftui.model.channels:SmsOptions",
    "sns": "perftui.model.channels:SnsOptions",
    "webhook": "perftui.model.channels:WebhookOptions",
    "alertmanager": "perftui.model.channels:AlertmanagerOptions",
    "apprise": "perftui.model.channels:AppriseOptions",
    "heartbeat": "perftui.model.channels:HeartbeatOptions",
}
"""Kind → the `Options` of its sender, as for backends."""
