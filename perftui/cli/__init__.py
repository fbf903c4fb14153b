"""Words typed in a shell: one noun a module, imported only when its word is typed."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from perftui import __version__
from perftui.model.errors import PerftuiError

NOUNS: dict[str, tuple[str, str]] = {
    "run": ("perftui.cli.run", "open the console (what `perftui` alone does)"),
    "show": ("perftui.cli.show", "print what a tab shows as JSON, text or CSV"),
    "snapshot": ("perftui.cli.snapshot", "draw a tab without a terminal, to SVG or text"),
    "backends": ("perftui.cli.backends", "list the configured systems and how their links stand"),
    "cache": ("perftui.cli.cache", "look at caches, purge keys"),
    "cdn": ("perftui.cli.cdn", "look at edges, purge URLs and tags"),
    "db": ("perftui.cli.db", "explain statements, cancel and terminate sessions"),
    "scaling": ("perftui.cli.scaling", "look at workloads, set how many instances run"),
    "monitor": ("perftui.cli.monitor", "ask what is measured in PromQL, print the metrics for a scrape"),
    "profile": ("perftui.cli.profile", "sample the stacks of a running process"),
    "alerts": ("perftui.cli.alerts", "list alerts, acknowledge, silence, move thresholds, look at history"),
    "agent": ("perftui.cli.agent", "watch, remember and evaluate without a console, day and night"),
    "lab": ("perftui.cli.lab", "start and steer real servers on this machine"),
    "timeline": ("perftui.cli.timeline", "print what happened: links, actions, settings, findings, notes"),
    "check": ("perftui.cli.check", "answer whether figures hold: yes (0) or no (1), for gates and scripts"),
    "export": ("perftui.cli.export", "stream the history as CSV or JSON; dashboards and links for Grafana"),
    "report": (
        "perftui.cli.report",
        "write a range of time as a PDF: targets, alerts, timeline, charts, findings",
    ),
    "tune": ("perftui.cli.tune", "see and steer control loops and schedules, stop them all"),
    "record": ("perftui.cli.record", "write what the systems show into a file, to be looked at anywhere"),
    "replay": ("perftui.cli.replay", "open the console on a recording, without any system"),
    "undo": ("perftui.cli.undo", "take back what was done, from any console or shell"),
    "audit": ("perftui.cli.audit", "list what was done, verify that the record is whole"),
    "config": ("perftui.cli.config", "write, check and show the configuration"),
    "keys": ("perftui.cli.keys", "print every key and what it does"),
}
"""Noun → (module with `add(parser)` and `run(args) -> int`, what it is for)."""

SIGINT_CODE = 130
SIGPIPE_CODE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; prints one sentence for every known error."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except SystemExit as leaving:  # argparse: 0 after --help, 2 after a usage error
        return leaving.code if isinstance(leaving.code, int) else 2
    except KeyboardInterrupt:
        return SIGINT_CODE
    except BrokenPipeError:
        # The reader went away (`| head`); keep the interpreter from flushing into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SIGPIPE_CODE
    except PerftuiError as error:
        return fail(error)


def entry() -> NoReturn:
    """The program: `main`, then the end without taking the interpreter apart.

    Everything is closed by then; freeing a few hundred thousand objects one by one would only keep
    the operator waiting. What was registered to happen at exit happens.
    """
    import atexit
    import threading

    code = main()
    others = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    if others:
        sys.exit(code)  # the interpreter waits for them
    atexit._run_exitfuncs()  # noqa: SLF001 - has no public name
    with suppress(OSError, ValueError):  # the reader may be gone, the stream closed
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _dispatch(words: list[str]) -> int:
    if words and words[0] in {"--version", "-V"}:
        print(f"perftui {__version__}")
        return 0
    if words and words[0] in {"--help", "-h", "help"}:
        print(_overview())
        return 0
    noun, rest = (words[0], words[1:]) if words and not words[0].startswith("-") else ("run", words)
    if noun not in NOUNS:
        return _unknown(noun)
    module = importlib.import_module(NOUNS[noun][0])
    args = parser_of(noun).parse_args(rest)
    code: int = module.run(args)
    sys.stdout.flush()
    return code


def parser_of(noun: str) -> argparse.ArgumentParser:
    """The complete parser of one noun; imports its module."""
    module_name, purpose = NOUNS[noun]
    parser = argparse.ArgumentParser(f"perftui {noun}", description=f"{purpose[0].upper()}{purpose[1:]}.")
    importlib.import_module(module_name).add(parser)
    return parser


def fail(error: PerftuiError) -> int:
    """Tell the error on stderr and return its exit code."""
    from perftui.cli import common

    common.narrate(str(error))
    return common.exit_code(error)


def _unknown(noun: str) -> int:
    import difflib

    close = difflib.get_close_matches(noun, NOUNS, n=1)
    hint = f"did you mean {close[0]}?" if close else "`perftui --help` lists them"
    print(f"perftui: there is no command {noun!r}; {hint}", file=sys.stderr)
    return 2


def _overview() -> str:
    width = max(map(len, NOUNS))
    nouns = "\n".join(f"  {noun:<{width}}  {purpose}" for noun, (_, purpose) in NOUNS.items())
    return (
        "usage: perftui [NOUN [VERB]] [options]\n\n"
        "A console for the performance of a running platform: see, explain, act, prove.\n\n"
        f"{nouns}\n\n"
        "`perftui NOUN --help` tells more. Data goes to stdout, narration to stderr.\n"
        "Exit codes: 0 done or yes, 1 the answer is no, 2 usage or configuration,\n"
        "3 a system is lost or refused the login, 4 refused, 5 partly done, 128+n signal."
    )
