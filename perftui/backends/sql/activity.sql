select
  a.pid,
  extract(epoch from a.backend_start) as started,
  a.usename as "user",
  a.datname as database,
  a.application_name as app,
  coalesce(a.client_hostname, host(a.client_addr), '') as client,
  a.backend_type as kind,
  a.state,
  a.wait_event_type as wait_class,
  a.wait_event,
  extract(epoch from a.query_start) as query_started,
  extract(epoch from clock_timestamp() - a.query_start) as query_age,
  extract(epoch from clock_timestamp() - a.xact_start) as xact_age,
  extract(epoch from clock_timestamp() - a.state_change) as state_age,
  case when a.wait_event_type = 'Lock' then pg_blocking_pids(a.pid) end as blocked_by,
  a.query_id,
  left(a.query, 2000) as query,
  a.pid = pg_backend_pid() or a.application_name = 'perftui' as own
from pg_stat_activity a
where a.backend_type in ('client backend', 'walsender', 'autovacuum worker', 'parallel worker')
  or (a.backend_type is null and a.usename is not null)
