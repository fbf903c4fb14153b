select pg_terminate_backend(a.pid) as sent
from pg_stat_activity a
where a.pid = :pid::int
  and abs(extract(epoch from a.backend_start) - :started::float8) < 0.0005
