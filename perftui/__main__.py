"""`python -m perftui`, the same program as the `perftui` command."""

from perftui.cli import entry

if __name__ == "__main__":
    entry()
