"""The lab: real servers, real load and real trouble on this machine, for `perftui lab` and for the tests."""
