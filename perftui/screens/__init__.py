"""One package a dashboard, one file a tab; they look and ask, and know no system."""
