select extract(epoch from i.stats_reset) as reset, i.dealloc as evicted
from :schema.pg_stat_statements_info i
