"""The tables of the store, one text for SQLite and PostgreSQL, and how old ones become new ones."""

from __future__ import annotations

from perftui.model.errors import StoreError
from perftui.runtime.driver import Driver

# Each entry leads from the version before to its own (the first to 1). Never edit one that was released.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE perftui_series (
            id BIGINT NOT NULL PRIMARY KEY,
            env TEXT NOT NULL, source TEXT NOT NULL, name TEXT NOT NULL,
            labels TEXT NOT NULL, unit TEXT NOT NULL,
            UNIQUE (env, source, name, labels)
        )""",
        # step 0: samples as read; start and until in microseconds since the epoch
        """CREATE TABLE perftui_chunk (
            series BIGINT NOT NULL, step BIGINT NOT NULL, start BIGINT NOT NULL, until BIGINT NOT NULL,
            data BYTEA NOT NULL,
            PRIMARY KEY (series, step, start)
        ){without_rowid}""",
        """CREATE TABLE perftui_last (
            env TEXT NOT NULL, topic TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (env, topic)
        )""",
        "CREATE TABLE perftui_figure (name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL)",
        """CREATE TABLE perftui_lease (
            name TEXT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, counter BIGINT NOT NULL,
            until DOUBLE PRECISION NOT NULL
        )""",
    ),
    (
        # what happened; id is a digest of what does not change about an event
        """CREATE TABLE perftui_event (
            env TEXT NOT NULL, id TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, until DOUBLE PRECISION,
            kind TEXT NOT NULL, source TEXT NOT NULL, title TEXT NOT NULL, detail TEXT NOT NULL,
            actor TEXT NOT NULL, ref TEXT NOT NULL,
            PRIMARY KEY (env, id)
        )""",
        "CREATE INDEX perftui_event_at ON perftui_event (env, at)",
    ),
    (
        # one row a label set of a rule, its occurrence in `body`
        """CREATE TABLE perftui_alert (
            env TEXT NOT NULL, fingerprint TEXT NOT NULL, rule TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (env, fingerprint)
        )""",
        """CREATE TABLE perftui_alert_ack (
            env TEXT NOT NULL, fingerprint TEXT NOT NULL, began DOUBLE PRECISION NOT NULL,
            who TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, note TEXT NOT NULL, until DOUBLE PRECISION,
            PRIMARY KEY (env, fingerprint, began)
        )""",
        """CREATE TABLE perftui_silence (
            env TEXT NOT NULL, id TEXT NOT NULL, matchers TEXT NOT NULL,
            starts DOUBLE PRECISION NOT NULL, until DOUBLE PRECISION NOT NULL,
            who TEXT NOT NULL, note TEXT NOT NULL,
            PRIMARY KEY (env, id)
        )""",
        """CREATE TABLE perftui_alert_event (
            id BIGINT NOT NULL PRIMARY KEY, env TEXT NOT NULL, at DOUBLE PRECISION NOT NULL,
            kind TEXT NOT NULL, rule TEXT NOT NULL, body TEXT NOT NULL
        )""",
        "CREATE INDEX perftui_alert_event_at ON perftui_alert_event (env, at)",
        """CREATE TABLE perftui_threshold (
            env TEXT NOT NULL, rule TEXT NOT NULL, threshold DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (env, rule)
        )""",
        """CREATE TABLE perftui_watch (
            env TEXT NOT NULL PRIMARY KEY, at DOUBLE PRECISION NOT NULL, holder TEXT NOT NULL
        )""",
    ),
    (
        # messages to people: written before they are sent; `key` is unique to one message for ever
        """CREATE TABLE perftui_outbox (
            env TEXT NOT NULL, key TEXT NOT NULL, id BIGINT NOT NULL, channel TEXT NOT NULL,
            recipient TEXT NOT NULL, incident TEXT NOT NULL, state TEXT NOT NULL,
            at DOUBLE PRECISION NOT NULL, next_at DOUBLE PRECISION NOT NULL, sent_at DOUBLE PRECISION,
            tries BIGINT NOT NULL, said TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (env, key)
        )""",
        "CREATE INDEX perftui_outbox_state ON perftui_outbox (env, state, channel, id)",
        """CREATE TABLE perftui_channel (
            env TEXT NOT NULL, name TEXT NOT NULL, sent_at DOUBLE PRECISION, failing DOUBLE PRECISION,
            said TEXT NOT NULL,
            PRIMARY KEY (env, name)
        )""",
        # what a channel calls an incident's first message there
        """CREATE TABLE perftui_notice_ref (
            env TEXT NOT NULL, channel TEXT NOT NULL, incident TEXT NOT NULL, ref TEXT NOT NULL,
            at DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (env, channel, incident)
        )""",
        """CREATE TABLE perftui_notice_group (
            env TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (env, key)
        )""",
        """CREATE TABLE perftui_alert_owner (
            env TEXT NOT NULL, fingerprint TEXT NOT NULL, began DOUBLE PRECISION NOT NULL, who TEXT NOT NULL,
            PRIMARY KEY (env, fingerprint)
        )""",
    ),
    (
        # one picture of a topic; at and base in microseconds, base is the frame that data is packed against
        """CREATE TABLE perftui_frame (
            env TEXT NOT NULL, topic TEXT NOT NULL, at BIGINT NOT NULL, base BIGINT NOT NULL,
            level BIGINT NOT NULL, data BYTEA NOT NULL,
            PRIMARY KEY (env, topic, at)
        )""",
        "CREATE INDEX perftui_frame_level ON perftui_frame (level, at)",
    ),
    (
        # control loops: the mode people set, and what the holder last did
        """CREATE TABLE perftui_loop (
            env TEXT NOT NULL, name TEXT NOT NULL, mode TEXT NOT NULL, version BIGINT NOT NULL,
            who TEXT NOT NULL, at DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (env, name)
        )""",
        """CREATE TABLE perftui_loop_state (
            env TEXT NOT NULL, name TEXT NOT NULL, slot DOUBLE PRECISION NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (env, name)
        )""",
    ),
    (
        # silences that come again; an occurrence that was ended early is a row of perftui_silence
        """CREATE TABLE perftui_maintenance (
            env TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (env, name)
        )""",
    ),
    (
        # jobs that warm caches; `keys` are those a job names, one a line
        """CREATE TABLE perftui_warm_job (
            env TEXT NOT NULL, name TEXT NOT NULL, version BIGINT NOT NULL, body TEXT NOT NULL,
            keys TEXT NOT NULL, who TEXT NOT NULL, at DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (env, name)
        )""",
        # what they last did; `run` is the run under way, `slot` the firing dealt with last
        """CREATE TABLE perftui_warm_run (
            env TEXT NOT NULL, name TEXT NOT NULL, slot DOUBLE PRECISION NOT NULL, run TEXT NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (env, name)
        )""",
    ),
)


def migrate(driver: Driver) -> None:
    """Bring the store to this version; StoreError when it is newer than we are."""
    with driver.transaction(alone=True):
        driver.execute("CREATE TABLE IF NOT EXISTS perftui_schema (version BIGINT NOT NULL)")
        rows = driver.query("SELECT version FROM perftui_schema")
        version = rows[0][0] if rows else 0
        if version > len(MIGRATIONS):
            raise StoreError(
                f"the store {driver.where} was written by a newer perftui "
                f"(schema {version}, this one knows {len(MIGRATIONS)})"
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                driver.execute(statement.format(without_rowid=driver.without_rowid))
        if version < len(MIGRATIONS):
            driver.execute("DELETE FROM perftui_schema")
            driver.execute("INSERT INTO perftui_schema (version) VALUES (?)", (len(MIGRATIONS),))
