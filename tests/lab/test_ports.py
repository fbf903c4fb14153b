"""A port is given once, and stays given while its server is down."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from perftui.lab import ports
from perftui.lab.ports import free_port

ELSEWHERE = """
import sys
from perftui.lab import ports
ports._draw.randrange = lambda *_: next(drawn)
drawn = iter(map(int, sys.argv[1:]))
print(ports.free_port())
"""


def test_they_stay_clear_of_outgoing_connections():
    assert all(20_000 <= free_port() < 32_000 for _ in range(20))


def drawn(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    left = iter(numbers)
    monkeypatch.setattr(ports._draw, "randrange", lambda *_: next(left))


def test_none_is_given_twice_though_nobody_listens_on_it_yet(monkeypatch):
    one, two = free_port(), free_port()
    ports._held.pop().close()  # as if it had not been asked for
    drawn(monkeypatch, one, one, two)
    assert free_port() == two


def test_nor_by_another_process():
    one, two = free_port(), free_port()
    ports._held.pop().close()
    told = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(one), str(two)], capture_output=True, text=True, check=True
    )
    assert int(told.stdout) == two


def test_nor_while_somebody_listens_on_it(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        two = free_port()
        ports._held.pop().close()
        drawn(monkeypatch, theirs.getsockname()[1], two)
        assert free_port() == two


def test_the_oldest_are_let_go_of(monkeypatch):
    first = free_port()
    for _ in range(ports.HELD):
        free_port()
    assert len(ports._held) == ports.HELD
    drawn(monkeypatch, first)
    assert free_port() == first


def test_where_there_is_none_it_says_so(monkeypatch):
    taken = free_port()
    drawn(monkeypatch, *[taken] * 200)
    with pytest.raises(OSError, match="no free port between 20000 and 32000"):
        free_port()
