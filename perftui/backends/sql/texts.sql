select distinct on (s.queryid)
  s.queryid as id,
  left(s.query, :length) as text
from :schema.pg_stat_statements(true) s
where s.queryid = any(:ids::bigint[])
