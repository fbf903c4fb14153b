"""The same frames as text, SVG, CSV, JSON; needs no screen."""
