"""Mathematics with no clock and no I/O."""
