"""The lab's edge before shop: Varnish where it is installed, else a small HTTP cache in Python."""
