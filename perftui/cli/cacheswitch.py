"""`perftui cache share`, `cache local` and `cache early`: what a cache's nodes do or leave, said and set."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from perftui.cli import common
from perftui.model.namespacepolicy import DEFAULT, OFF, ON
from perftui.model.noderecord import NodesLook

if TYPE_CHECKING:
    from perftui.session import Session


@dataclass(frozen=True, slots=True)
class Switch:
    """One policy: what nodes tell of it in `field`, which is also what its action takes.

    `word` says a value of it, `name` is its name in JSON. `mute` is what is said where no node tells.
    """

    field: str
    action: str
    help: str
    values: str
    name: str
    word: Callable[[Any], str]
    mute: str

    def add(
        self,
        verbs: argparse._SubParsersAction[argparse.ArgumentParser],
        verb: str,
        source: Callable[..., None],
    ) -> None:
        """Declare the verb; `source` adds the options of the backend."""
        parser = verbs.add_parser(verb, help=self.help)
        parser.add_argument("namespace", metavar="NAMESPACE", help="the cache's name")
        parser.add_argument("to", choices=(ON, OFF, DEFAULT), nargs="?", help=self.values)
        source(parser, change=True)

    def changes(self, args: argparse.Namespace) -> bool:
        """Whether something is to be set."""
        return bool(args.to)

    async def change(self, session: Session, source: str, args: argparse.Namespace) -> int:
        """Plan, ask, set."""
        how = {"namespace": args.namespace, self.field: args.to}
        return await common.perform(session, session.action(self.action, source, **how), args)

    def show(self, look: NodesLook, args: argparse.Namespace) -> int:
        """Print what is in force at each node; 1 when none says it."""
        mine = [one.stats for one in look.records if one.stats.namespace == args.namespace]
        found = ((stats.node, getattr(stats, self.field)) for stats in mine)
        told = sorted((node, one) for node, one in found if one is not None)
        if args.json:
            own = f"own_{self.name}"
            common.say([{"node": node, self.name: one.now, own: one.own} for node, one in told], args.json)
        else:
            common.print_lines(
                f"{node}: {self.word(one.now)}"
                + ("" if one.now == one.own else f", {self.word(one.own)} by its options")
                for node, one in told
            )
        if not told:
            common.narrate(self.mute.format(repr(args.namespace)))
        return common.DONE if told else common.NO


def _loads(shared: bool) -> str:
    return "shared" if shared else "not shared"


def _l1(entries: int) -> str:
    from perftui.draw import format as fmt

    return f"an L1 of {fmt.many(entries, 'entry', 'entries')}" if entries else "no L1"


def _early(beta: float) -> str:
    return f"early loads, beta {beta:g}" if beta else "no early loads"


SHARE: Final = Switch(
    "shared",
    "cache.share-loads",
    "whether processes of a cache share one load of a key, or set it",
    "left out: say what is in force; default: as the nodes' own options say",
    "shared",
    _loads,
    "no node says whether it shares loads of {}",
)
LOCAL: Final = Switch(
    "local",
    "cache.local-copies",
    "whether nodes of a cache keep local copies, or lend them an L1",
    "left out: say what is in force; on: a small L1 for nodes without one; off: none for any;"
    " default: as the nodes' own options say",
    "entries",
    _l1,
    "no node of {} says that it keeps local copies, or could",
)
EARLY: Final = Switch(
    "early",
    "cache.load-early",
    "whether values of a cache are loaded shortly before their end, by chance (XFetch), or set it",
    "left out: say what is in force; default: as the nodes' own options say",
    "beta",
    _early,
    "no node of {} says whether it loads early",
)
