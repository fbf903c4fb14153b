"""`perftui lab`: the lab by words; alone it also opens the console on it."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

DONE, NO, USAGE, LOST = 0, 1, 2, 3


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the noun's verbs."""
    from perftui.cli import labgroups
    from perftui.lab.parts import PARTS

    parser.description = "Real servers, real load and real trouble on this machine; alone: lab and console."
    parser.add_argument("--json", action="store_true", help="data as JSON on standard output")
    parser.add_argument(
        "--with", dest="parts", action="append", default=[], metavar="PART", help="start this part too"
    )
    parser.add_argument("--rate", type=float, default=80.0, help="requests a second of the load (default 80)")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    up = verbs.add_parser("up", parents=[common], help="start the lab and print its endpoints")
    up.add_argument("--detach", action="store_true", help="leave it running; a supervisor process holds it")
    up.add_argument("--with", dest="parts", action="append", default=argparse.SUPPRESS, metavar="PART")
    up.add_argument("--rate", type=float, default=argparse.SUPPRESS)
    verbs.add_parser("status", parents=[common], help="parts, load, incidents and endpoints")
    verbs.add_parser("down", parents=[common], help="end it; nothing is left")
    load = verbs.add_parser("load", parents=[common], help="set the load")
    load.add_argument("rate", metavar="RATE|pause", help="requests a second, or pause")
    incident = verbs.add_parser("incident", parents=[common], help="cause and undo trouble")
    incident.add_argument("what", choices=("list", "start", "stop"))
    incident.add_argument("name", nargs="?")
    incident.add_argument("--all", action="store_true", help="stop all")
    for part in PARTS:
        if part != "load":
            one = verbs.add_parser(part, parents=[common], help=f"the part {part} alone")
            one.add_argument("what", choices=("up", "down", "status"))
    labgroups.add(verbs, common)


def run(args: argparse.Namespace) -> int:
    """Do it; the exit code. LabError becomes a line on standard error and 3."""
    from perftui.cli import labgroups
    from perftui.lab import LabError

    doers: dict[str | None, Callable[[argparse.Namespace], int]] = {
        None: _console,
        "up": _up,
        "status": _status,
        "down": _down,
        "load": _load,
        "incident": _incident,
        **dict.fromkeys(labgroups.KINDS, labgroups.run),
    }
    try:
        return doers.get(args.verb, _part)(args)
    except LabError as error:
        print(f"perftui lab: {error}", file=sys.stderr)
        return LOST


def _console(args: argparse.Namespace) -> int:
    """The console on a lab of its own, which ends with it; or on the one that is up, which does not."""
    from perftui.cli.run import open_console
    from perftui.lab import remote

    if remote.running() is not None:
        ends = asyncio.run(remote.question({"op": "status"}))["endpoints"]
        return int(open_console(ends["config"], env="lab") or 0)
    print("Starting the lab …", file=sys.stderr)
    held = remote.start(bound=True, rate=args.rate, parts=args.parts)
    try:
        _enter_job(held.endpoints)
        return int(open_console(held.endpoints["config"], env="lab") or 0)
    finally:
        held.release()


def _up(args: argparse.Namespace) -> int:
    from perftui.lab import remote

    if remote.running() is not None:
        print("A lab is up already.", file=sys.stderr)
        answer = asyncio.run(remote.question({"op": "status"}))
        _print_endpoints(args, answer["endpoints"])
        return DONE
    print("Starting the lab …", file=sys.stderr)
    held = remote.start(bound=not args.detach, rate=args.rate, parts=args.parts)
    _enter_job(held.endpoints)
    _print_endpoints(args, held.endpoints)
    if not args.detach:
        _until_interrupted()
        held.release()
    return DONE


def _enter_job(endpoints: dict[str, Any]) -> None:
    """The shop has its warm job, so that Cache ▸ Warming lives."""
    from perftui.cli import labjob

    if endpoints.get("shop"):
        asyncio.run(labjob.enter(endpoints["config"]))


def _until_interrupted() -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    print("Up until ctrl+c.", file=sys.stderr)
    while not ended.wait(3600):
        pass


def _print_endpoints(args: argparse.Namespace, endpoints: dict[str, Any]) -> None:
    if args.json:
        print(json.dumps(endpoints))
        return
    valkey, postgres, shop = endpoints.get("valkey"), endpoints.get("postgres"), endpoints.get("shop")
    if valkey:
        print(f"valkey    {valkey['primary']['url']}\n  replica {valkey['replica']['url']}")
    if postgres:
        print(f"postgres  {postgres['primary']['dsn']}\n  replica {postgres['replica']['dsn']}")
    if shop:
        print(f"shop      {shop['url']}\n  pool    {shop['admin_socket']}")
    if endpoints.get("shards"):
        print(f"shards    {endpoints['shards']['url']}")
    print(f"console   perftui run --env lab\n  config  {endpoints['config']}")


def _status(args: argparse.Namespace) -> int:
    from perftui.lab import remote

    if remote.running() is None:
        if args.json:
            print(json.dumps({"up": False}))
        print("No lab is up.", file=sys.stderr)
        return NO
    answer = asyncio.run(remote.question({"op": "status"}))
    if args.json:
        print(json.dumps({"up": True, **answer}))
        return DONE
    for name, part in answer["parts"].items():
        print(f"{name:<10}{'up' if part['running'] else 'DOWN':<6}{_details(part)}")
    running = [row["name"] for row in answer["incidents"] if row["running"]]
    print(f"{'incidents':<10}{', '.join(running) or 'none'}")
    print(f"{'console':<10}perftui run --env lab")
    return DONE


def _details(part: dict[str, Any]) -> str:
    if "sent" in part:
        state = "paused" if part["paused"] else f"{part['rate']:.0f}/s"
        return f"{state}, {part['sent']} sent, {part['errors'] + part['failed']} failed, {part['shed']} shed"
    if "nodes" in part:
        nodes = part["nodes"].values()
        return f"{sum(node['running'] for node in nodes)} of {len(nodes)} nodes"
    servers = [
        f"{k} port {v['port']} pid {v['pid']}" for k, v in part.items() if isinstance(v, dict) and "port" in v
    ]
    return ", ".join(servers) or f"port {part.get('port', '-')} pid {part.get('pid', '-')}"


def _down(args: argparse.Namespace) -> int:
    from perftui.lab import remote

    was_up = asyncio.run(remote.end())
    if args.json:
        print(json.dumps({"was_up": was_up}))
    print("The lab has ended." if was_up else "No lab was up.", file=sys.stderr)
    return DONE


def _load(args: argparse.Namespace) -> int:
    order: dict[str, Any] = {"op": "load"}
    if args.rate == "pause":
        order["pause"] = True
    else:
        try:
            order["rate"] = float(args.rate)
        except ValueError:
            print(f"perftui lab load: {args.rate!r} is neither a number nor pause", file=sys.stderr)
            return USAGE
    return _ask(args, order)


def _incident(args: argparse.Namespace) -> int:
    from perftui.lab.incidents import CATALOGUE

    everything = args.what == "stop" and args.all
    if args.what == "list":
        return _list_incidents(args)
    if not everything and args.name not in CATALOGUE:
        print(f"perftui lab incident: which of {', '.join(CATALOGUE)}?", file=sys.stderr)
        return USAGE
    code = _ask(args, {"op": "incident", "verb": args.what, "name": args.name, "all": args.all})
    if args.what == "start" and not args.json:
        look = CATALOGUE[args.name].look
        print(f"to be seen on {look}: perftui show {look} --env lab", file=sys.stderr)
        print(f"over with: perftui lab incident stop {args.name}", file=sys.stderr)
    return code


def _list_incidents(args: argparse.Namespace) -> int:
    from perftui.lab import remote
    from perftui.lab.incidents import rows_of

    rows = rows_of(())
    if remote.running() is not None:
        rows = asyncio.run(remote.question({"op": "incident", "verb": "list"}))["incidents"]
    if args.json:
        print(json.dumps(rows))
        return DONE
    for row in rows:
        print(f"{row['name']:<16}{'RUNNING ' if row['running'] else '':<8}{row['look']:<20}{row['what']}")
    return DONE


def _part(args: argparse.Namespace) -> int:
    return _ask(args, {"op": "part", "name": args.verb, "verb": args.what})


def _ask(args: argparse.Namespace, message: dict[str, Any]) -> int:
    from perftui.lab import remote

    answer = asyncio.run(remote.question(message))
    if args.json:
        print(json.dumps(answer))
    else:
        print("done", file=sys.stderr)
    return DONE
