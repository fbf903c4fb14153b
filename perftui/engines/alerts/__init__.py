"""What people do about alerts: acknowledge, silence, move a threshold."""
