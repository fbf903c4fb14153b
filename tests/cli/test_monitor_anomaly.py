"""`perftui monitor anomaly` over a store that remembers a shift."""

from __future__ import annotations

import asyncio
import json
import random
import time

import pytest

from perftui.cli import main
from perftui.cli.monitor_anomaly import seconds
from perftui.model.errors import ConfigError
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.store import Store
from tests.console import state_dir

__all__ = ["state_dir"]

KEYS = (
    SeriesKey("shop", "http.p95_s"),
    SeriesKey("shop", "http.odd", (("core", "1"),)),
    SeriesKey("shop", "http.odd"),
)


@pytest.fixture
def remembered(state_dir, tmp_path):
    """An hour by ten seconds, whose last ten minutes are twice as slow."""
    state_dir.mkdir(mode=0o700, parents=True)
    r, now = random.Random(1), time.time()

    async def fill():
        history = History(Store.open(str(state_dir / "store.sqlite"), "bare"), Clock())
        for n in range(360):
            mean = 0.2 if n >= 300 else 0.1
            row = tuple(Measure(key, r.gauss(mean, 0.002), "s") for key in KEYS)
            history.record(Reading("shop", now - 3600 + n * 10, 0.0, row, None))
        assert await history.flush()
        await history.store.close(2)

    asyncio.run(fill())
    file = tmp_path / "config.toml"
    file.write_text("[env.bare]\n")
    file.chmod(0o600)
    return ["--config", str(file)]


def test_a_shift_is_named_with_its_band(remembered, capsys):
    assert main(["monitor", "anomaly", "shop/http.p95_s", "--since", "30m", *remembered]) == 1
    out, err = capsys.readouterr()
    assert "was expected" in out
    assert "σ" in out
    assert " points of shop/http.p95_s, no season" in err
    assert main(["monitor", "anomaly", "shop/http.p95_s", "--since", "30m", "--json", *remembered]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["found"][0]["value"] == pytest.approx(0.2, rel=0.1)
    assert main(["monitor", "anomaly", "shop/http.p95_s", "--since", "1m", *remembered]) == 0


def test_unknown_and_ambiguous_series_are_usage(remembered, capsys):
    assert main(["monitor", "anomaly", "shop/nothing", *remembered]) == 2
    assert "nothing is remembered" in capsys.readouterr().err
    assert main(["monitor", "anomaly", "shop/http.odd{core=1}", "--since", "1m", *remembered]) == 0
    assert main(["monitor", "anomaly", "shop/http.odd", "--since", "1m", *remembered]) == 0


def test_spans():
    assert (seconds("90m"), seconds("7d")) == (5400, 604800)
    with pytest.raises(ConfigError):
        seconds("soon")


def test_neighbours_name_the_hour_that_is_like_few_before(state_dir, tmp_path, capsys):
    """Eight quiet days, then in the last half hour nothing moves any more."""
    state_dir.mkdir(mode=0o700, parents=True)
    r, now = random.Random(1), time.time() // 60 * 60

    async def fill():
        history = History(Store.open(str(state_dir / "store.sqlite"), "bare"), Clock())
        for n in range(8 * 1440):
            left = 8 * 1440 - n
            value = 0.1 if left < 30 else r.gauss(0.1, 0.002)
            history.record(Reading("shop", now - 60 * left, 0.0, (Measure(KEYS[0], value, "s"),), None))
        assert await history.flush()
        await history.store.close(2)

    asyncio.run(fill())
    file = tmp_path / "config.toml"
    file.write_text("[env.bare]\n")
    file.chmod(0o600)
    words = ["monitor", "anomaly", "shop/http.p95_s", "--learner", "neighbours", "--config", str(file)]
    assert main([*words, "--since", "60m"]) == 1
    out = capsys.readouterr().out
    assert "an hour like 1 in " in out
    assert "spread of 15 min -" in out
    assert main([*words, "--since", "60m", "--json"]) == 1
    rare = json.loads(capsys.readouterr().out)["rare"]
    assert 10 <= len(rare) <= 40
    assert all(one["rank"] <= 0.001 for one in rare)
    assert main([*words, "--since", "4d"]) in (0, 1)
    assert "days without gaps are known, 7 are needed" in capsys.readouterr().err
