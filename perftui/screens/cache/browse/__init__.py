"""The key browser; apart, because `cache/keys.py` is where the screen's keyboard is declared."""
