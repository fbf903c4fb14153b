select
  extract(epoch from clock_timestamp()) as now,
  pg_is_in_recovery() as standby,
  extract(epoch from pg_postmaster_start_time()) as started,
  current_setting('max_connections')::int as max_connections,
  current_setting('superuser_reserved_connections')::int
    + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved,
  case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end
    - '0/0'::pg_lsn as wal,
  sum(d.xact_commit) as commits,
  sum(d.xact_rollback) as rollbacks,
  sum(d.blks_hit) as hits,
  sum(d.blks_read) as reads,
  sum(d.temp_bytes) as temp,
  sum(d.deadlocks) as deadlocks,
  sum(d.tup_returned) as rows
from pg_stat_database d
