"""Chat platforms: one adapter a file."""
