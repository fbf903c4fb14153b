"""Whether servers share a host, as far as their addresses say."""

from __future__ import annotations

import pytest

from perftui.analysis.samehost import host_of, loopback, same_host


@pytest.mark.parametrize(
    ("address", "host"),
    [("a:1", "a"), ("[::1]:6379", "::1"), ("10.0.0.1:6379", "10.0.0.1"), ("/run/x.sock", ""), ("", "")],
)
def test_the_host_of_an_address(address: str, host: str) -> None:
    assert host_of(address) == host


def test_loopback_is_wherever_one_stands() -> None:
    assert [loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost", "10.0.0.1", "")] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]


def test_hosts_are_shared_only_where_both_are_known() -> None:
    assert same_host("10.0.0.1:1", "10.0.0.1:2")
    assert same_host("10.0.0.1:1", "127.0.0.1:2")
    assert not same_host("127.0.0.1:1", "127.0.0.1:2")
    assert not same_host("127.0.0.1:1", "10.0.0.1:2")
    assert not same_host("a:1", "b:1")
    assert not same_host("/run/x.sock", "127.0.0.1:2")
