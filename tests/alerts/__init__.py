"""Tests of the package `alerts`."""
