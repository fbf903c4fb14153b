"""From sampled stacks with line numbers to a profile of functions, and from sampler text to stacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from perftui.analysis.flame import build
from perftui.model.profiler import LineWeight, Profile, ProfileMeta, StackFrame

Stack = tuple[tuple[StackFrame, ...], int]

MAX_LINE = 1 << 20
MAX_NAME = 4096


def parse_folded(text: str) -> Iterator[Stack]:
    """Stacks of folded text: `outer (file:line);inner (file:line) weight`, one a line.

    ValueError names the line that cannot be read. Each distinct frame is taken apart once.
    """
    known: dict[str, StackFrame] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        path, _, weight = line.rpartition(" ")
        if not path or not weight.isascii() or not weight.isdigit() or len(line) > MAX_LINE:
            raise ValueError(f"line {number} is no folded stack: {line[:80]!r}")
        frames = []
        for part in path.split(";"):
            frame = known.get(part)
            if frame is None:
                frame = known[part] = parse_frame(part)
            frames.append(frame)
        yield tuple(frames), int(weight)


def parse_frame(text: str) -> StackFrame:
    """`name (file:line)`, `name (file)` or a bare name."""
    text = text[:MAX_NAME]
    name, opened, place = text.rpartition(" (")
    if not opened or not place.endswith(")"):
        return StackFrame(text)
    place = place[:-1]
    file, colon, line = place.rpartition(":")
    if colon and line.isascii() and line.isdigit():
        return StackFrame(name, file, int(line))
    return StackFrame(name, place)


def fold_frame(frame: StackFrame) -> str:
    """The inverse of `parse_frame`; separators inside names are replaced, since the format has no escapes."""
    text = f"{frame.name} ({frame.where})" if frame.file else frame.name
    return text.replace(";", ",").replace("\n", " ").replace("\r", " ")


def _function(frame: StackFrame) -> StackFrame:
    """What lines of one function have in common; nameless functions are told apart by their line."""
    nameless = frame.name.startswith("<") and frame.name != "<module>"
    return frame if nameless else frame._replace(line=0)


def assemble(stacks: Iterable[Stack], meta: ProfileMeta) -> Profile:
    """Merge stacks of lines into a profile of functions, keeping what each line weighs.

    A function's `line` becomes its heaviest: by its own weight, else by what passed through it.
    """
    merged: Counter[tuple[StackFrame, ...]] = Counter()
    own: Counter[StackFrame] = Counter()
    through: Counter[StackFrame] = Counter()
    for frames, weight in stacks:
        merged[frames] += weight
        if frames:
            own[frames[-1]] += weight
        for frame in set(frames):
            through[frame] += weight
    functions, lines = _functions(own, through)
    at = {frame: index for index, (frame, _) in enumerate(functions)}
    number = {frame: at[_function(frame)] for frame in through}
    tree = build((tuple(number[f] for f in frames), weight) for frames, weight in merged.items())
    named = tuple(frame._replace(line=line) for frame, line in functions)
    weights = tuple(LineWeight(at[_function(f)], f.line, own[f], through[f]) for f in lines)
    return Profile(meta, named, tree, weights)


def _functions(
    own: Counter[StackFrame], through: Counter[StackFrame]
) -> tuple[list[tuple[StackFrame, int]], Sequence[StackFrame]]:
    """Functions in name order with their heaviest line, and all lines, heaviest first."""
    lines = sorted((f for f in through if f.line), key=lambda f: (-own[f], -through[f], f))
    heaviest: dict[StackFrame, int] = {}
    for frame in lines:
        heaviest.setdefault(_function(frame), frame.line)
    return sorted((f, heaviest.get(f, 0)) for f in {_function(frame) for frame in through}), lines
