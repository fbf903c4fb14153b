"""The library's tests of hearing others, all over again with Redis 7.0 as L2."""

from __future__ import annotations

from tests.instrument.cache import test_hearing, test_on_redis

for module in (test_on_redis, test_hearing):
    wanted = ("l2", "redis_l2", "pytestmark", "test_it_is_redis") if module is test_on_redis else vars(module)
    globals().update({name: vars(module)[name] for name in wanted if not name.startswith("__")})
