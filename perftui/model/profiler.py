"""What a profiler brings home: whose stacks, which frames, and the call tree they merge into."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    Ints: TypeAlias = array[int]
else:  # `array[int]` cannot be evaluated before Python 3.12, and the codec reads annotations
    Ints = array

ROOT_FRAME = -1
HIDDEN_FRAME = -2


class StackFrame(NamedTuple):
    """A function at a place; `line` is its heaviest line (0: unknown), `file` may be empty."""

    name: str
    file: str = ""
    line: int = 0

    @property
    def where(self) -> str:
        """`file:line` as far as it is known, or an empty string."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file


class LineWeight(NamedTuple):
    """Weight of one source line of one function: `self_` on the line itself, `total` with callees."""

    frame: int
    line: int
    self_: int
    total: int


@dataclass(frozen=True, slots=True)
class TreeArrays:
    """A call tree as parallel arrays; node 0 is the root and a parent's index is below its children's.

    `frame[i]` indexes the profile's frames (ROOT_FRAME for the root, HIDDEN_FRAME for what a
    threshold merged); `own` is the weight of stacks ending here, `total` with everything below.
    `first_child` and `next_` are node indexes, 0 for none.
    """

    parent: Ints
    frame: Ints
    own: Ints
    total: Ints
    first_child: Ints
    next_: Ints

    def __len__(self) -> int:
        return len(self.parent)

    def children(self, node: int) -> list[int]:
        """Children of a node in stored order (by frame, so by name)."""
        found: list[int] = []
        child = self.first_child[node]
        while child:
            found.append(child)
            child = self.next_[child]
        return found

    def ancestors(self, node: int) -> list[int]:
        """From the root down to the node's parent."""
        path: list[int] = []
        while node:
            node = self.parent[node]
            path.append(node)
        return path[::-1]

    def depth(self, node: int) -> int:
        """Edges between the root and the node."""
        steps = 0
        while node:
            node = self.parent[node]
            steps += 1
        return steps


class Rect(NamedTuple):
    """One bar of a laid-out tree, in cells; row `depth` counts from the whole tree's root.

    `node` is the tree's node; when `gathered` > 1 the bar stands for that many siblings too narrow to
    draw, of which `node` is the heaviest.
    """

    depth: int
    x: int
    width: int
    node: int
    gathered: int = 1


@dataclass(frozen=True, slots=True)
class ProfileTarget:
    """A process at one time: identity is PID and start, since PIDs are used again.

    `started` is epoch seconds (0: unknown).
    """

    pid: int
    command: str = ""
    language: str = ""
    user: str = ""
    started: float = 0.0


@dataclass(frozen=True, slots=True)
class ProfileMeta:
    """How a profile was taken. `at` is epoch seconds of its start, `seconds` what it really covers.

    `errors` are samples the sampler failed to take; `note` says what is unusual about it
    ("target ended after 3.2 s").
    """

    id: str
    at: float
    seconds: float
    rate: int
    samples: int
    errors: int
    target: ProfileTarget
    mode: str = "cpu"
    sampler: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """Weighted stacks of one target merged into one tree; unit `samples`, each 1/rate seconds."""

    meta: ProfileMeta
    frames: tuple[StackFrame, ...]
    tree: TreeArrays = field(repr=False)
    lines: tuple[LineWeight, ...] = field(default=(), repr=False)
    unit: str = "samples"

    @property
    def total(self) -> int:
        """Weight of the whole profile."""
        return self.tree.total[0]

    def name(self, node: int) -> str:
        """The label of a node of this profile's tree."""
        return frame_name(self.frames, self.tree.frame[node])


def frame_name(frames: tuple[StackFrame, ...], frame: int) -> str:
    """The label of a frame index: a function's name, `all` for the root, `hidden` for what was merged."""
    if frame >= 0:
        return frames[frame].name
    return "all" if frame == ROOT_FRAME else "hidden"


@dataclass(frozen=True, slots=True)
class HotFunction:
    """A function's weight over the whole profile; recursion counts once per stack.

    `share_self` and `share_total` are ratios of the profile's total, `margin` the half-width of
    the 95% Wilson interval of `share_self`.
    """

    frame: StackFrame
    own: int
    total: int
    share_self: float
    share_total: float
    margin: float


@dataclass(frozen=True, slots=True)
class ThreadStack:
    """What one thread of a target was doing when it was asked; outermost frame first."""

    pid: int
    thread: int
    name: str
    active: bool
    holds_gil: bool
    frames: tuple[StackFrame, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """A profile being taken now; `since` is epoch seconds."""

    pid: int
    since: float
    seconds: float
    rate: int


@dataclass(frozen=True, slots=True)
class ProfilerReading:
    """A sampler's state: its version, what it is recording, its newest profile and those kept."""

    sampler: str
    recording: Recording | None
    newest: Profile | None
    kept: tuple[ProfileMeta, ...]
    obstacle: str = ""  # why attaching will be refused here, and what helps; empty when nothing known


@dataclass(frozen=True, slots=True)
class HotStep:
    """One frame of the hot path with its share of the whole and of its parent."""

    node: int
    frame: StackFrame
    share: float
    of_parent: float


@dataclass(frozen=True, slots=True)
class ProfilerReport:
    """What the profiler knows: the newest profile explained, and the profiles kept on disk."""

    source: str
    sampler: str
    recording: Recording | None = None
    newest: Profile | None = None
    hot_path: tuple[HotStep, ...] = ()
    functions: tuple[HotFunction, ...] = ()
    kept: tuple[ProfileMeta, ...] = ()
    obstacle: str = ""
