"""Tests of the four packages, and the fakes, builders and fixtures they share."""
