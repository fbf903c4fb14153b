"""Processes as a tree and in groups."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.backends.host.processes import unit_of
from perftui.model.resources import ProcessRow
from perftui.screens.overview.processviews import grouped, tree
from perftui.screens.processes import fd_ratio, share_text


def row(pid, parent, command, user="web", cpu=0.5, unit="web.service"):
    return ProcessRow(pid, parent, command, f"/bin/{command} -x", user, "S", "", cpu, 10, 2, 1.0, unit=unit)


ROWS = [row(9, 3, "deep"), row(3, 1, "child"), row(1, 0, "init", "root", None, ""), row(4, 77, "orphan")]


def test_children_stand_below_their_parents():
    assert [r.command for r in tree(ROWS)] == ["init -x", "  └─ child -x", "    └─ deep -x", "orphan -x"]
    assert all(r.command.isascii() for r in tree(ROWS, ascii_=True))


def test_a_chain_of_a_thousand_and_a_process_that_is_its_own_parent():
    chain = [row(n, n - 1, "x") for n in range(1, 3000)]
    assert len(tree(chain)) == len(chain)
    assert len(tree([row(5, 5, "self")])) == 1


def test_groups_sum_what_adds_up_and_keep_their_identity():
    found = {r.name: r for r in grouped(ROWS, "user")}
    assert (found["web"].cpu, found["web"].rss, found["web"].threads) == (1.5, 30, 6)
    assert found["root"].cpu is None
    assert "3 processes" in found["web"].command
    again = {r.name: r for r in grouped(ROWS[:1], "user")}
    assert (again["web"].pid, again["web"].started) == (0, found["web"].started)
    assert {r.name for r in grouped(ROWS, "unit")} == {"web.service", "–"}


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        (b"0::/system.slice/nginx.service\n", "nginx.service"),
        (b"0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope"),
        (b"0::/system.slice/docker-" + b"ab" * 32 + b".scope\n", "ab" * 6),
        (b"4:memory:/docker/" + b"0f" * 32 + b"\n", "0f" * 6),
        (b"0::/\n", ""),
        (b"", ""),
    ],
)
def test_units_and_containers(text, unit):
    assert unit_of(text) == unit


def test_descriptors_near_their_limit_are_loud():
    one = replace(ROWS[0], fds=10, fd_limit=100)
    found = [share_text(fd_ratio(replace(one, fds=fds))) for fds in (None, 10, 85, 95)]
    assert found == [("–", ""), ("10.0%", ""), ("85.0%", "warn"), ("95.0%", "crit")]
    assert fd_ratio(replace(one, fd_limit=None)) is None
