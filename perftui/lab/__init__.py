"""The lab: real servers, real load and real trouble on this machine, for `perftui lab` and for the tests."""

from perftui.lab.processes import LabError
from perftui.lab.whole import Lab, LabOptions

__all__ = ["Lab", "LabError", "LabOptions"]
