"""What a copy of a hot key in each process would do, as far as nodes of the cache library tell of L1."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.model.tierview import TierFacts, TierNode, together

PLAIN = "a copy in the memory of each process would take it off the server"
SHOWN = 40  # characters of a namespace's name


def local_copy(facts: TierFacts | None, key: bytes) -> str:
    """A sentence: which nodes of the key's namespace have no L1, or one that holds nothing; else PLAIN.

    Where all have one in use, it says how much that answers: the key is read by others, or past it.
    """
    nodes = holders(facts, key)
    if not nodes:
        return PLAIN
    name = nodes[0].namespace[:SHOWN]
    without = sum(not node.l1 for node in nodes)
    if without:
        of = "the only node" if len(nodes) == 1 else f"{without} of {len(nodes)} nodes"
        return f"{of} of {name} {'has' if without == 1 else 'have'} no L1 (`l1=`): {PLAIN}"
    traffic = together(node.traffic for node in nodes)
    each = "the only node" if len(nodes) == 1 else f"all {len(nodes)} nodes"
    has = "has" if len(nodes) == 1 else "have"
    if traffic is not None and traffic.l2_hits and not any(node.l1_entries for node in nodes):
        return f"{each} of {name} {has} an L1 that is empty: calls skip it, or lives are 0"
    ratio = traffic.l1_hit_ratio if traffic is not None else None
    if ratio is None:
        return f"{each} of {name} {has} an L1: others read the key, or copies end soon"
    return (
        f"{each} of {name} {has} an L1 that answers {ratio:.0%} of what they ask for: others read the key,"
        " or copies end soon"
    )


def holders(facts: TierFacts | None, key: bytes) -> Sequence[TierNode]:
    """The nodes of the namespace that a key is of: with its name and a colon in front; the longest counts."""
    nodes = facts.nodes if facts is not None else ()
    names = {node.namespace for node in nodes if key.startswith(f"{node.namespace}:".encode())}
    name = max(names, key=len, default=None)
    return [node for node in nodes if node.namespace == name]
