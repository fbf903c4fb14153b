"""The whole console on a pseudo-terminal, beside other terminal programs."""
