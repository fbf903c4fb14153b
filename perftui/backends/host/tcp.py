"""TCP of a host: segments sent again, full listen queues, sockets by state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from perftui.analysis.hostcounters import TcpCounters

MOST_COUNTED = 20_000  # sockets above which their states are not counted: the list costs 150 bytes each
STATES = (
    "",
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
)


def counters(read: Callable[[str], bytes], states: tuple[tuple[str, int], ...] | None) -> TcpCounters | None:
    """What /proc/net counts; None where it is hidden. `states` are those counted last."""
    snmp = table(read("net/snmp"), b"Tcp:")
    if not snmp:
        return None
    sockets = read("net/sockstat").split(None, 3)
    return TcpCounters(
        out=snmp.get(b"OutSegs", 0),
        retransmits=snmp.get(b"RetransSegs", 0),
        overflows=table(read("net/netstat"), b"TcpExt:").get(b"ListenOverflows", 0),
        sockets=int(sockets[2]) if len(sockets) > 2 else 0,
        states=states,
    )


def table(text: bytes, prefix: bytes) -> dict[bytes, int]:
    """The pair of lines (names, values) that begin with `prefix`."""
    lines = [line.split() for line in text.splitlines() if line.startswith(prefix)]
    if len(lines) != 2:
        return {}
    return dict(zip(lines[0][1:], map(int, lines[1][1:]), strict=False))


def count_states(read: Callable[[str], bytes]) -> tuple[tuple[str, int], ...] | None:
    """Connections by state over IPv4 and IPv6, most first; None where there are too many to list."""
    found: Counter[str] = Counter()
    for name in ("net/tcp", "net/tcp6"):
        in_use = table_value(read("net/sockstat" + name[7:]), b"TCP" + name[7:].encode() + b":")
        if in_use > MOST_COUNTED:
            return None
        for line in read(name).splitlines()[1:]:
            words = line.split(None, 4)
            if len(words) > 3:
                found[state_name(words[3])] += 1
    return tuple(found.most_common())


def table_value(text: bytes, prefix: bytes) -> int:
    """Sockets in use and waiting for their end, on the line that begins with `prefix`."""
    words = next((words for line in text.splitlines() if (words := line.split())[:1] == [prefix]), [])
    return sum(int(after) for name, after in pairwise(words) if name in {b"inuse", b"tw"})


def state_name(code: bytes) -> str:
    """The state behind the hexadecimal of /proc/net/tcp."""
    number = int(code, 16)
    return STATES[number] if 0 < number < len(STATES) else "new_syn_recv"
