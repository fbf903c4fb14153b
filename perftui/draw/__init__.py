"""Data to terminal cells as pure functions: no clock, no Textual, no system knowledge."""
