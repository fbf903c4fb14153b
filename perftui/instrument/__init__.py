"""What runs inside somebody else's process; light imports only."""
