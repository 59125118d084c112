"""Values only: frozen dataclasses that every other room may import."""
