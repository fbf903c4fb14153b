select 'user' as kind, r.oid::bigint as id, r.rolname as name from pg_roles r
union all
select 'database', d.oid::bigint, d.datname from pg_database d
limit 2000
