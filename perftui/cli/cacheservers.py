"""`perftui cache config`, `set`, `give-back`, `clients`, `kill-client`: how servers are set up and used."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from perftui.analysis.cachesettings import rows
from perftui.analysis.clientgroups import grouped
from perftui.cli import cachewatch, common
from perftui.model.cacheclients import WAYS, Client, ClientGroup, ClientLook
from perftui.model.serverconfig import ConfigLook, SettingRow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from perftui.model.action import Action
    from perftui.session import Session

VERBS = ("config", "clients")
CHANGES = ("set", "give-back", "kill-client")
SHOWN = 1000


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser], source: Callable[..., None]) -> None:
    """Declare the verbs; `source` adds the options of the backend."""
    config = verbs.add_parser("config", help="settings that matter, their defaults, and why some are risky")
    config.add_argument("source", metavar="NAME", nargs="?", help="backend, default: the first primary")
    common.options(config)
    cachewatch.add(config)
    clients = verbs.add_parser("clients", help="who is connected, told together or one by one")
    clients.add_argument("--by", choices=WAYS, help="tell clients together that share it")
    clients.add_argument(
        "--sort",
        choices=("memory", "output", "idle", "age"),
        default="memory",
        help="most of it first (memory)",
    )
    source(clients)
    cachewatch.add(clients)
    change = verbs.add_parser("set", help="set one of a few parameters at every server that has another")
    change.add_argument("parameter", metavar="PARAMETER", help="as `cache config` names it")
    change.add_argument("value", metavar="VALUE", help="as the server takes it; sizes in bytes")
    source(change, change=True)
    give = verbs.add_parser("give-back", help="have a server give the memory that values left free back")
    give.add_argument("--node", metavar="HOST:PORT", default="", help="of several servers: which")
    source(give, change=True)
    kill = verbs.add_parser("kill-client", help="end the connection of one client, if it is still the same")
    kill.add_argument("client", metavar="ID", type=int, help="its id, as `cache clients` tells")
    kill.add_argument("address", metavar="ADDRESS", help="and its address")
    kill.add_argument("--node", metavar="HOST:PORT", default="", help="of several servers: which")
    source(kill, change=True)


def action(session: Session, source: str, args: argparse.Namespace) -> Action:
    """The action that was typed."""
    if args.verb == "set":
        return session.action("cache.configure", source, parameter=args.parameter, value=args.value)
    if args.verb == "give-back":
        return session.action("cache.give-back", source, **({"node": args.node} if args.node else {}))
    named = {"client": args.client, "address": args.address, "node": args.node}
    return session.action("cache.kill-client", source, **named)


async def show(probe: Callable[..., Awaitable[Any]], args: argparse.Namespace) -> int:
    """Look through the power the verb needs, and print."""
    if args.verb == "clients":
        return _clients(await probe("ClientLister", lambda power: power.clients()), args)
    return _config(await probe("ConfigReader", lambda power: power.configuration()), args)


def _config(look: ConfigLook, args: argparse.Namespace) -> int:
    told = rows(look)
    if args.json:
        common.say([_row(row) for row in told], args.json)
    else:
        common.print_lines(_lines(told))
    for server in look.servers:
        for text in server.limits:
            common.narrate(text)
    for node, why in look.silent:
        common.narrate(f"{node}: {why}")
    return common.DONE


def _row(row: SettingRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "group": row.group,
        "value": row.value,
        "default": row.default,
        "changed": row.changed,
        "risk": row.risk or None,
        "finding": row.finding or None,
        "does": row.does,
        "differs": "; ".join(f"{value} at {', '.join(nodes)}" for value, nodes in row.differs) or None,
    }


def _lines(told: tuple[SettingRow, ...]) -> Iterator[str]:
    from perftui.draw.settingtext import shown, who_has

    group = ""
    for row in told:
        if row.group != group:
            group = row.group
            yield group
        made = f"default {shown(row.name, row.default)}" if row.changed and row.default is not None else ""
        yield f"  {row.name:<34} {shown(row.name, row.value):<20} {made}".rstrip()
        if row.differs:
            yield f"      differs: {who_has(row)}"
        if row.risk:
            yield f"      risky: {row.risk}" + (f" ({row.finding})" if row.finding else "")


ORDER = {"memory": "memory_bytes", "output": "output_bytes", "idle": "idle_s", "age": "age_s"}


def _clients(look: ClientLook, args: argparse.Namespace) -> int:
    order = ORDER[args.sort]
    if args.by:
        groups = grouped(look.clients, args.by)
        if args.json:
            common.say([asdict(group) for group in groups], args.json)
        else:
            common.print_lines(map(_group_line, groups))
    else:
        told = sorted(look.clients, key=lambda one: -getattr(one, order))
        if args.json:
            common.say([_client_row(one) for one in told], args.json)
        else:
            common.print_lines(map(_client_line, told[:SHOWN]))
            if len(told) > SHOWN:
                common.narrate(f"the first {SHOWN:,} of {look.total:,} clients; --csv has all")
    for node, why in look.silent:
        common.narrate(f"{node}: {why}")
    return common.DONE


def _client_row(one: Client) -> dict[str, Any]:
    return asdict(one) | {"states": list(one.states)}


def _client_line(one: Client) -> str:
    from perftui.draw import format as fmt

    held = f"{fmt.bytes_(one.memory_bytes, 9)} {fmt.bytes_(one.output_bytes, 9)} unread"
    since = f"idle {fmt.age(one.idle_s, 4)} of {fmt.age(one.age_s, 4)}"
    words = " ".join((one.name or "(no name)", one.library, *one.states, one.command))
    return f"{one.id:>7} {one.address:<21} {held}  {since}  db{one.db} {one.user:<8} {words}  {one.node}"


def _group_line(group: ClientGroup) -> str:
    from perftui.draw import format as fmt

    held = f"{fmt.bytes_(group.memory_bytes, 9)} {fmt.bytes_(group.output_bytes, 9)} unread"
    counts = (("blocked", group.blocked), ("in multi", group.multi), ("tracking", group.tracking))
    states = "".join(f", {count} {word}" for word, count in (*counts, ("replicas", group.replicas)) if count)
    many = f"{group.clients:>6} {fmt.plural(group.clients, 'client'):<7}"
    return f"{many} {held}  idle up to {fmt.age(group.idle_s)}{states}  {group.name or '(none given)'}"
