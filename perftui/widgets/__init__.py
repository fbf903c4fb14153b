"""Thin Textual skins over draw/; they know data, never a system."""
