"""`perftui lab cluster|sentinel|regions`: a cluster, a group with sentinels, or two regions, by words."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from typing import Any

from perftui.cli import common

KINDS = {
    "cluster": "three masters and three replicas of a Valkey cluster",
    "sentinel": "a Valkey master, two replicas and three sentinels",
    "regions": "a Valkey server as region A and its replica as region B",
}


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    """Declare these words and theirs."""
    for kind, what in KINDS.items():
        noun = verbs.add_parser(kind, parents=[shared], help=f"{what}, apart from the lab")
        words = noun.add_subparsers(dest="what", metavar="WHAT", required=True)
        up = words.add_parser("up", parents=[shared], help="start it, leave it running and print its URL")
        words.add_parser("down", parents=[shared], help="end it; nothing is left")
        words.add_parser("status", parents=[shared], help="every server: role, port, link, whose replica")
        kill = words.add_parser("kill", parents=[shared], help="end a server as a crash does (SIGKILL)")
        kill.add_argument("node", type=int, metavar="N", help="its number in status")
        back = words.add_parser("revive", parents=[shared], help="start one that was killed again")
        back.add_argument("node", type=int, metavar="N", help="its number in status")
        if kind == "cluster":
            _add_members(words, shared)
        if kind == "regions":
            up.add_argument("--apart", action="store_true", help="two servers of which neither follows")


def _add_members(
    words: argparse._SubParsersAction[argparse.ArgumentParser], shared: argparse.ArgumentParser
) -> None:
    more = words.add_parser("add", parents=[shared], help="start a node and join it")
    role = more.add_mutually_exclusive_group()
    role.add_argument("--master", action="store_true", help="as a master without slots")
    role.add_argument(
        "--of", type=int, metavar="N", help="as a replica of node N (else of the master with fewest)"
    )
    less = words.add_parser(
        "remove", parents=[shared], help="end a node without slots, and have the others forget it"
    )
    less.add_argument("node", type=int, metavar="N", help="its number in status")


def run(args: argparse.Namespace) -> int:
    """Do it; the exit code.

    Raises:
        LabError: it cannot be done.
    """
    doers: dict[str, Callable[[argparse.Namespace], int]] = {"up": _up, "status": _status, "down": _down}
    return doers.get(args.what, _change)(args)


def _up(args: argparse.Namespace) -> int:
    from perftui.lab import clusterremote

    if clusterremote.running(args.verb) is not None:
        common.narrate(f"A {args.verb} is up already.")
        said = asyncio.run(clusterremote.question(args.verb, {"op": "status"}))
    else:
        common.narrate(f"Starting the {args.verb} …")
        said = clusterremote.start(args.verb, *(["apart"] if getattr(args, "apart", False) else []))
    print(json.dumps(said) if args.json else "\n".join(said.get("urls", [said["url"]])))
    return common.DONE


def _status(args: argparse.Namespace) -> int:
    from perftui.lab import clusterremote

    if clusterremote.running(args.verb) is None:
        if args.json:
            print(json.dumps({"up": False}))
        common.narrate(f"No {args.verb} is up.")
        return common.NO
    said = asyncio.run(clusterremote.question(args.verb, {"op": "status"}))
    if args.json:
        print(json.dumps({"up": True, **said}))
    else:
        common.print_lines(_lines(args.verb, said["nodes"]))
    return common.DONE


def _lines(kind: str, rows: list[dict[str, Any]]) -> list[str]:
    if kind == "cluster":
        header = f"{'':>3}{'role':<9}{'port':<7}{'node':<10}{'slots':<14}{'link':<14}replica of"
        cells = [
            f"{row['node']:>2} {row['role']:<9}{row['port']:<7}{row['short']:<10}"
            f"{' '.join(row['slots']) or '-':<13} {row['link']:<14}{row['replica_of'] or '-'}"
            for row in rows
        ]
    elif kind == "regions":
        header = f"{'':>3}{'region':<8}{'role':<10}{'port':<7}{'link':<14}{'replica of':<12}offset"
        cells = [
            f"{row['node']:>2} {row['region']:<8}{row['role']:<10}{row['port']:<7}{row['link']:<14}"
            f"{row['replica_of'] or '-':<12}{'-' if row['offset'] is None else row['offset']}"
            for row in rows
        ]
    else:
        header = f"{'':>3}{'role':<10}{'port':<7}{'link':<14}{'replica of':<12}watches"
        cells = [
            f"{row['node']:>2} {row['role']:<10}{row['port']:<7}{row['link']:<14}"
            f"{row['replica_of'] or '-':<12}{_watched(row)}"
            for row in rows
        ]
    return [header, *cells]


def _watched(row: dict[str, Any]) -> str:
    """Whom a sentinel takes for the master, and what it thinks of it beyond that."""
    if row["watches"] is None:
        return "-"
    thinks = [word for word in row["master_flags"].split(",") if word != "master"]
    return " ".join([str(row["watches"]), *thinks])


def _down(args: argparse.Namespace) -> int:
    from perftui.lab import clusterremote

    was_up = asyncio.run(clusterremote.end(args.verb))
    if args.json:
        print(json.dumps({"was_up": was_up}))
    common.narrate(f"The {args.verb} has ended." if was_up else f"No {args.verb} was up.")
    return common.DONE


def _change(args: argparse.Namespace) -> int:
    from perftui.lab import clusterremote

    order = {name: getattr(args, name) for name in ("node", "master", "of") if hasattr(args, name)}
    said = asyncio.run(clusterremote.question(args.verb, {"op": args.what, **order}))
    if args.json:
        print(json.dumps(said))
    else:
        common.narrate(" ".join(f"{word} {value}" for word, value in said.items()))
    return common.DONE
