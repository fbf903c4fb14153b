select
  coalesce(a.state, '') as state,
  case when a.state = 'active' then coalesce(a.wait_event_type, 'CPU') else '' end as wait,
  count(*) as n,
  count(*) filter (where a.wait_event_type = 'Lock') as waiting
from pg_stat_activity a
where coalesce(a.backend_type, 'client backend') = 'client backend'
  and a.usename is not null
  and a.pid <> pg_backend_pid()
group by 1, 2
