"""What a real server keeps, and who may have it let go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.backends.valkey.link import Link, parse_url
from perftui.model.errors import Refused
from perftui.model.options import ValkeyOptions


@pytest.fixture
async def limited(valkey: Any) -> AsyncIterator[Valkey]:
    """By a login that may look at memory, and not purge it."""
    raw = Link(parse_url(valkey.url), "other")
    rules = ("on", ">mine", "~*", "+@all", "-memory|purge")
    await raw.one("ACL", "SETUSER", "limited", "reset", *rules, deadline=5)
    made = Valkey("cache", ValkeyOptions(f"redis://127.0.0.1:{valkey.port}/0", "limited", "mine"))
    yield made
    await made.close()
    await raw.one("ACL", "DELUSER", "limited", deadline=5)
    await raw.close()


async def test_who_may_not_purge_is_told_which_right_is_lacking(limited: Valkey) -> None:
    assert (await limited.memory_kept()).resident > 0
    with pytest.raises(Refused, match=r"its ACL needs \+memory\|purge$"):
        await limited.give_back()
