"""The profile format of the house, `perftui.profile/1`: one JSON object, the tree in flat arrays.

Fields: `format`, `unit`, `meta` (id, at, seconds, rate, samples, errors, mode, sampler, note, target),
`frames` [[name, file, line], …], `parent`, `frame`, `own` (node 0 is the root, a parent comes before its
children) and `lines` [[frame, line, own, total], …]. What is read is data from outside: it is checked.
"""

from __future__ import annotations

import json
from array import array
from typing import Any

from perftui.analysis.flame import build
from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.profiler import LineWeight, Profile, ProfileMeta, StackFrame, TreeArrays

FORMAT = "perftui.profile/1"
MAX_BYTES = 512 << 20
MAX_NODES = 5_000_000


def write_profile(profile: Profile) -> str:
    """The profile as JSON text; `read_profile` gives an equal value back."""
    tree = profile.tree
    data = {
        "format": FORMAT,
        "unit": profile.unit,
        "meta": to_jsonable(profile.meta),
        "frames": [list(frame) for frame in profile.frames],
        "parent": tree.parent.tolist(),
        "frame": tree.frame.tolist(),
        "own": tree.own.tolist(),
        "lines": [list(line) for line in profile.lines],
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def read_profile(text: str) -> Profile:
    """The profile of a JSON text; ValueError says what does not fit."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"longer than {MAX_BYTES >> 20} MiB")
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"not of format {FORMAT}")
    meta = from_jsonable(ProfileMeta, data.get("meta"))
    frames = from_jsonable(tuple[StackFrame, ...], data.get("frames"))
    lines = from_jsonable(tuple[LineWeight, ...], data.get("lines", []))
    tree = _tree(data, len(frames))
    if any(not 0 <= line.frame < len(frames) for line in lines):
        raise ValueError("a line of an unknown frame")
    return Profile(meta, frames, tree, lines, str(data.get("unit", "samples")))


def _tree(data: dict[str, Any], n_frames: int) -> TreeArrays:
    """The checked tree, built anew from its stacks: whoever wrote the file, our invariants hold."""
    try:
        parent, frame, own = (array("q", data[name]) for name in ("parent", "frame", "own"))
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"tree is no three arrays of numbers: {error}") from error
    n = len(parent)
    if not n or n > MAX_NODES or len(frame) != n or len(own) != n:
        raise ValueError("tree arrays are empty, too long or of unequal length")
    if any(not 0 <= parent[i] < i for i in range(1, n)):
        raise ValueError("a node comes before its parent")
    if any(not 0 <= frame[i] < n_frames for i in range(1, n)) or min(own) < 0:
        raise ValueError("a node has an unknown frame or a negative weight")
    return build(_stacks(parent, frame, own))


def _stacks(parent: array[int], frame: array[int], own: array[int]) -> list[tuple[tuple[int, ...], int]]:
    found = []
    for node in range(len(parent)):
        if own[node]:
            path = []
            at = node
            while at:
                path.append(frame[at])
                at = parent[at]
            found.append((tuple(reversed(path)), own[node]))
    return found
