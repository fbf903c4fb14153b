with here as (
  select case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end as lsn
)
select
  r.pid,
  r.application_name as name,
  coalesce(r.client_hostname, host(r.client_addr), 'local') as client,
  r.state,
  r.sync_state as sync,
  h.lsn - r.sent_lsn as sent,
  h.lsn - r.write_lsn as write,
  h.lsn - r.flush_lsn as flush,
  h.lsn - r.replay_lsn as replay,
  r.replay_lsn - '0/0'::pg_lsn as position,
  extract(epoch from r.replay_lag) as lag
from pg_stat_replication r, here h
order by r.application_name, r.pid
limit 100
