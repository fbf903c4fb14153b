with waiting as (
  select a.pid from pg_stat_activity a where a.wait_event_type = 'Lock' limit 200
), blocker as (
  select distinct unnest(pg_blocking_pids(w.pid)) as pid from waiting w
)
select
  l.pid,
  l.locktype as kind,
  l.mode,
  l.granted,
  case
    when l.locktype in ('relation', 'extend', 'page', 'tuple') then
      case when l.database = (select d.oid from pg_database d where d.datname = current_database())
        then l.relation::regclass::text else 'relation ' || l.relation || ' of another database' end
    when l.locktype = 'transactionid' then 'transaction ' || l.transactionid
    when l.locktype = 'virtualxid' then 'virtual transaction ' || l.virtualxid
    when l.locktype = 'advisory' then 'advisory ' || l.classid || '/' || l.objid
    else l.locktype
  end as target,
  extract(epoch from clock_timestamp() - l.waitstart) as waited
from pg_locks l
where exists (select 1 from waiting)
  and (
    not l.granted
    or (l.pid in (select b.pid from blocker b)
        and l.locktype in ('relation', 'transactionid', 'tuple', 'advisory')
        and l.mode <> 'AccessShareLock')
  )
order by l.granted, l.waitstart nulls last
limit 500
