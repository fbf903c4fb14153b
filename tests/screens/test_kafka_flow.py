"""A broker's groups on the API tab, where no application and no host is connected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.app import Options, PerftuiApp
from perftui.config import load
from perftui.session import Session
from tests.backends.kafkabroker import Broker, commit, create, produce
from tests.console import Console, state_dir

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    one = Broker()
    await create(one, "orders", 2)
    await produce(one, "orders", 100)
    await commit(one, "billing", "orders", 40)
    yield one
    one.stop()


@pytest.mark.slow
async def test_lag_by_group_and_topic_opens_to_its_partitions(broker: Broker, tmp_path: Any) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        f'[env.here]\nkind = "lab"\n[env.here.backends.events]\nkind = "kafka"\nbootstrap = "{broker.address}"\n'
    )
    file.chmod(0o600)
    config = load(file, "here", {})
    app = PerftuiApp(
        lambda env: Session.open(config, config.environment),
        Options(screen="overview.api"),
        environment={"TERM": "xterm-256color"},
    )
    async with app.run_test(size=(120, 40)) as pilot:
        seen = Console(app, pilot)
        await seen.sees(r"orders@billing +Kafka +60 ", within=30)
        await seen.press("tab", "enter")
        await seen.sees(r"orders@billing/0 +Kafka +60 ")
        await seen.press("enter")
        text = await seen.text()
        assert "orders@billing/0" not in text
        await produce(broker, "orders", 50)
        await seen.sees(r"orders@billing +Kafka +110 .* [\d.]+/s +0/s ", within=30)
        await pilot.resize_terminal(80, 24)
        await seen.sees(r"orders@billing +Kafka +110 ")
        broker.stop()
        await seen.sees(r"events: .*(cannot reach|no answer)", within=30)
