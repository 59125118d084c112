"""Whole journeys, driven from a chat update to the broker's wire and back."""
