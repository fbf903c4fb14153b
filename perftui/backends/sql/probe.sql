select
  current_setting('server_version_num')::int as version,
  current_database() as database,
  current_user as "user",
  current_setting('cluster_name', true) as cluster,
  current_setting('track_activity_query_size') as query_size,
  pg_has_role(current_user, 'pg_read_all_stats', 'usage') as all_stats,
  pg_has_role(current_user, 'pg_signal_backend', 'usage') as signals,
  (select r.rolsuper from pg_roles r where r.rolname = current_user) as super,
  (select quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace
   where e.extname = 'pg_stat_statements') as statements_schema,
  current_setting('pg_stat_statements.track', true) as statements_track
