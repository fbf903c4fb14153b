select
  s.slot_name as name,
  s.slot_type as kind,
  s.active,
  coalesce(s.wal_status, '') as status,
  case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end
    - s.restart_lsn as retained
from pg_replication_slots s
order by s.slot_name
limit 100
