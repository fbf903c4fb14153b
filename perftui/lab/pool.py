"""A supervisor of forked worker processes on one listening socket: scale, drain, replace.

It speaks over a unix stream socket (0600): one JSON object a line, each answered by one line.

    {"op": "status"}
        → {"desired", "minimum", "maximum", "revision",
           "workers": [{"id", "pid", "state": "starting|ready|draining|dead", "since", "requests",
                        "inflight", "cpu_seconds", "rss_bytes"}],
           "events": [{"at", "kind", "reason", "detail"}, … the last 200],
           "faults": {name: arguments}, "faults_pending": workers that have not yet obeyed}
    {"op": "scale", "n": N, "revision": R, "reason": "…"}   → the status after it
        Compare-and-set: refused when R is not the current revision (one who did not look must not
        decide), or N is outside minimum … maximum. `reason` is optional.
    {"op": "drain", "worker": ID, "deadline": seconds}      → the status after it
        The worker takes no new connection, finishes what it has, and is replaced.
    {"op": "fault", "name": NAME, "arguments": {…} | null}  → the status after it
        Switches a fault of the service on or off in every worker, also in those to come.
    {"op": "tell", "worker": ID | "oldest", "message": {…}} → the status after it
        One message to one worker.
    refused: {"error": {"code": "conflict|bounds|unknown|usage", "message": "a sentence"}}

Instants (`at`, `since`) are Unix seconds. Workers are numbered from 1 and never reuse a number. A
worker that ends without being asked is replaced, with growing delay while replacements die young,
and the event says why it ended. States of a worker: `starting` until it says it is ready.

The listening socket is one open file that all workers inherit: a worker that stops accepting leaves
what waits in the queue to the others, which sockets of its own (SO_REUSEPORT) would reset.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from perftui.lab.poolcontrol import Control, Refusal
from perftui.lab.poolworker import Seat, Worker, describe, usage
from perftui.lab.processes import allow_tracing, die_with_parent

EVENTS = 200
DRAIN_SECONDS = 15.0
YOUNG = 2.0
SILENT = 3.0


class Ledger(Protocol):
    """Where a worker's figures are read from."""

    def requests(self) -> int:
        """Requests finished in this slot, ever."""
        ...

    def inflight(self) -> int:
        """Requests begun and not finished."""
        ...

    def silent(self) -> float:
        """Seconds since the worker last gave a sign of life; 0 before the first."""
        ...

    def clear_gauges(self) -> None:
        """The worker ended."""
        ...


class Pool:
    """Keeps `desired` workers alive; single-threaded and without an event loop, so forks are safe."""

    def __init__(
        self,
        work: Callable[[Seat], int],
        ledger: Callable[[int], Ledger],
        listener: socket.socket,
        control: Path,
        *,
        desired: int = 3,
        bounds: tuple[int, int] = (1, 16),
        slots: int = 48,
    ) -> None:
        self.desired, self.bounds, self.revision = desired, bounds, 1
        self.workers: dict[int, Worker] = {}
        self.events: deque[dict[str, Any]] = deque(maxlen=EVENTS)
        self.faults: dict[str, Any] = {}
        self.fault_revision = 0
        self._work, self._ledger, self._listener = work, ledger, listener
        self._slots = list(range(slots))
        self._next = 1
        self._young = 0
        self._fork_at = 0.0
        self._stopping = 0.0
        self._on_ready: Callable[[], None] | None = None
        self._selector = selectors.DefaultSelector()
        self._control = Control(control, self._selector, self.handle)

    def run(self, on_ready: Callable[[], None], lifeline: int) -> None:
        """Serve until SIGTERM or until `lifeline` (a pipe from whoever started us) reads its end."""
        self._on_ready = on_ready
        self._watch_signals()
        self._selector.register(lifeline, selectors.EVENT_READ, self._lifeline)
        while not (self._stopping and not self.workers):
            self._keep_count()
            for key, _ in self._selector.select(timeout=self._patience()):
                key.data(key.fileobj)
            self._reap()
            self._enforce_deadlines()
        self._control.close()

    # -- what the control socket asks ---------------------------------------------------------

    def handle(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer one question; Refusal says why not."""
        operation = question.get("op")
        if operation == "scale":
            self._scale(question)
        elif operation == "drain":
            worker = self._find(question.get("worker"))
            self._drain(worker, float(question.get("deadline", DRAIN_SECONDS)), "asked to drain")
        elif operation == "fault":
            self._fault(str(question.get("name")), question.get("arguments"))
        elif operation == "tell":
            self._find(question.get("worker")).tell(dict(question.get("message") or {}))
        elif operation != "status":
            raise Refusal("usage", f"no operation {str(operation)[:40]!r}")
        self._keep_count()
        return self.status()

    def status(self) -> dict[str, Any]:
        """The picture now."""
        return {
            "desired": self.desired,
            "minimum": self.bounds[0],
            "maximum": self.bounds[1],
            "revision": self.revision,
            "workers": [self._row(worker) for worker in self.workers.values()],
            "events": list(self.events),
            "faults": self.faults,
            "faults_pending": sum(worker.applied < self.fault_revision for worker in self._counted()),
        }

    def _row(self, worker: Worker) -> dict[str, Any]:
        ledger = self._ledger(worker.slot)
        worker.usage = usage(worker.pid) or worker.usage
        return {
            "id": worker.id,
            "pid": worker.pid,
            "state": "silent" if worker.state == "ready" and ledger.silent() > SILENT else worker.state,
            "since": worker.since,
            "requests": ledger.requests() - worker.base,
            "inflight": max(0, ledger.inflight()),
            "cpu_seconds": worker.usage[0],
            "rss_bytes": worker.usage[1],
        }

    def _scale(self, question: dict[str, Any]) -> None:
        wanted, revision = question.get("n"), question.get("revision")
        low, high = self.bounds
        if not isinstance(wanted, int) or not isinstance(revision, int):
            raise Refusal("usage", "scale needs whole numbers n and revision")
        if revision != self.revision:
            raise Refusal("conflict", f"revision is {self.revision}, not {revision}: look again, then decide")
        if not low <= wanted <= high:
            raise Refusal("bounds", f"{wanted} workers is outside {low} … {high}")
        reason = str(question.get("reason") or "asked over the control socket")[:200]
        self._event("scaled", reason, f"{self.desired} → {wanted}")
        self.desired = wanted
        self.revision += 1

    def _fault(self, name: str, arguments: Any) -> None:
        if arguments is None:
            self.faults.pop(name, None)
        else:
            self.faults[name] = arguments
        self.fault_revision += 1
        self._event("fault", f"{name} {'off' if arguments is None else 'on'}")
        self._tell_faults()

    def _find(self, name: Any) -> Worker:
        ready = [worker for worker in self.workers.values() if worker.state == "ready"]
        if name == "oldest" and ready:
            return ready[0]
        for worker in self.workers.values():
            if str(worker.id) == str(name):
                return worker
        raise Refusal("unknown", f"no worker {str(name)[:40]!r}")

    # -- keeping the count --------------------------------------------------------------------

    def _counted(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.state in ("starting", "ready")]

    def _keep_count(self) -> None:
        counted = self._counted()
        for worker in counted[self.desired :] if not self._stopping else ():
            self._drain(worker, DRAIN_SECONDS, "scaled down")
        while (
            not self._stopping and len(self._counted()) < self.desired and time.monotonic() >= self._fork_at
        ):
            self._fork()

    def _fork(self) -> None:
        ours, theirs = socket.socketpair()
        number, slot = self._next, self._slots.pop(0)
        self._next += 1
        base = self._ledger(slot).requests()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._child(parent, Seat(number, slot, self._listener, theirs), ours)
        theirs.close()
        ours.setblocking(False)
        worker = self.workers[number] = Worker(number, pid, slot, ours, base)
        self._selector.register(ours, selectors.EVENT_READ, lambda _: self._hear(worker))
        self._event("started", f"worker {number}", f"pid {pid}")
        self._tell_faults()

    def _child(self, parent: int, seat: Seat, ours: socket.socket) -> None:
        """Never returns: the forked side sheds what belongs to the supervisor, then works."""
        code = 70
        try:
            die_with_parent(parent)
            allow_tracing()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            self._selector.close()
            self._control.forget()
            ours.close()
            for other in self.workers.values():
                other.channel.close()
            random.seed()
            code = self._work(seat)
        except BaseException:  # noqa: BLE001 - the fork must end here whatever happened, and say why
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _hear(self, worker: Worker) -> None:
        try:
            data = worker.channel.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(worker.channel)
            return
        for line in data.splitlines():
            message = json.loads(line)
            worker.applied = int(message.get("applied", worker.applied))
            if message.get("state") == "ready" and worker.state == "starting":
                worker.become("ready")
                self._event("ready", f"worker {worker.id}", f"after {time.monotonic() - worker.born:.2f} s")
                self._tell_faults()
                self._announce()

    def _announce(self) -> None:
        ready = sum(worker.state == "ready" for worker in self.workers.values())
        if self._on_ready and ready >= self.desired:
            self._on_ready()
            self._on_ready = None

    def _drain(self, worker: Worker, deadline: float, reason: str) -> None:
        if worker.state == "draining":
            return
        worker.become("draining")
        worker.deadline = time.monotonic() + deadline
        worker.tell({"op": "drain", "deadline": deadline})
        self._event("draining", reason, f"worker {worker.id}")
        self._tell_faults()

    def _tell_faults(self) -> None:
        """All faults to all workers; `first` marks the one that acts where one is enough."""
        first = next((worker.id for worker in self._counted()), 0)
        for worker in self.workers.values():
            worker.tell(
                {
                    "op": "faults",
                    "faults": self.faults,
                    "first": worker.id == first,
                    "revision": self.fault_revision,
                }
            )

    # -- endings ------------------------------------------------------------------------------

    def _reap(self) -> None:
        for worker in list(self.workers.values()):
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    self._ended(worker, status)

    def _ended(self, worker: Worker, status: int) -> None:
        del self.workers[worker.id]
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(worker.channel)
        worker.channel.close()
        self._ledger(worker.slot).clear_gauges()
        self._slots.append(worker.slot)
        how = describe(status)
        if worker.state == "draining":
            self._event("drained", f"worker {worker.id}", how)
        else:
            self._event("died", f"worker {worker.id} {how}", f"pid {worker.pid}, was {worker.state}")
            self._back_off(worker)
        self._tell_faults()

    def _back_off(self, worker: Worker) -> None:
        """Replace at once, unless replacements keep dying young."""
        self._young = self._young + 1 if time.monotonic() - worker.born < YOUNG else 0
        self._fork_at = time.monotonic() + (min(5.0, 0.1 * 2**self._young) if self._young else 0.0)

    def _enforce_deadlines(self) -> None:
        now = time.monotonic()
        for worker in self.workers.values():
            if worker.state == "draining" and now > worker.deadline + 1.0:
                worker.deadline = now + 3600
                self._event("killed", f"worker {worker.id} did not drain in time", f"pid {worker.pid}")
                os.kill(worker.pid, signal.SIGKILL)

    def _patience(self) -> float:
        waits = [
            worker.deadline + 1.05 - time.monotonic() for worker in self.workers.values() if worker.deadline
        ]
        if not self._stopping and len(self._counted()) < self.desired:
            waits.append(self._fork_at - time.monotonic())
        return max(0.0, min([*waits, 5.0]))

    def _watch_signals(self) -> None:
        read, write = socket.socketpair()
        for end in (read, write):
            end.setblocking(False)
        signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        self._wakeup = (read, write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._selector.register(read, selectors.EVENT_READ, lambda end: end.recv(4096))

    def _lifeline(self, end: Any) -> None:
        if not os.read(end, 4096):
            self._selector.unregister(end)
            self._stop()

    def _stop(self) -> None:
        """End everything: there is nobody left to serve."""
        self._stopping = time.monotonic()
        for worker in self.workers.values():
            with contextlib.suppress(OSError):
                os.kill(worker.pid, signal.SIGKILL)

    def _event(self, kind: str, reason: str, detail: str = "") -> None:
        self.events.append({"at": time.time(), "kind": kind, "reason": reason, "detail": detail})
