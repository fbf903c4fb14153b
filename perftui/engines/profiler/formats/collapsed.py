"""Folded stacks: one line a stack, `outer (file:line);inner (file:line) weight`.

Format: https://github.com/brendangregg/FlameGraph
"""

from __future__ import annotations

from perftui.analysis.flame import stacks
from perftui.analysis.stacks import fold_frame
from perftui.model.profiler import Profile


def write(profile: Profile) -> str:
    """The profile as folded text; frames keep the line that is their heaviest."""
    names = [fold_frame(frame) for frame in profile.frames]
    lines = (
        ";".join(names[f] for f in frames) + f" {weight}" for frames, weight in stacks(profile.tree) if frames
    )
    return "".join(f"{line}\n" for line in lines)
