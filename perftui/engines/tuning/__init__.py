"""What people do to control loops and schedules."""
