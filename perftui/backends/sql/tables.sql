select
  t.relid::bigint as id,
  t.schemaname || '.' || t.relname as name,
  t.seq_scan as seq_scans,
  t.seq_tup_read as seq_rows,
  coalesce(t.idx_scan, 0) as index_scans,
  t.n_live_tup as live,
  t.n_dead_tup as dead,
  c.relpages::bigint * current_setting('block_size')::int as size
from pg_stat_user_tables t join pg_class c on c.oid = t.relid
order by t.seq_tup_read desc
limit 200
