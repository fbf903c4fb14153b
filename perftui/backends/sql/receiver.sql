select
  coalesce(w.status, '') as status,
  coalesce(w.sender_host || ':' || w.sender_port, '') as sender,
  pg_last_wal_receive_lsn() - pg_last_wal_replay_lsn() as behind,
  case
    when w.status = 'streaming' and pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
    else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())
  end as lag,
  case when pg_is_in_recovery() then pg_is_wal_replay_paused() else false end as paused
from (select 1) one left join pg_stat_wal_receiver w on true
