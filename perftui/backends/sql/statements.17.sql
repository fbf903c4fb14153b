select
  s.queryid, s.userid::bigint, s.dbid::bigint, s.calls, s.total_exec_time, s.mean_exec_time, s.stddev_exec_time,
  s.max_exec_time, s.rows, s.shared_blks_hit, s.shared_blks_read,
  s.temp_blks_read + s.temp_blks_written, s.wal_bytes::float8, extract(epoch from s.stats_since)::float8
from :schema.pg_stat_statements(false) s
where s.queryid is not null and s.toplevel
order by s.total_exec_time desc
limit :limit
