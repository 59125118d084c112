"""The desk when things go wrong: killed processes, a broker that misbehaves, people and stops that race."""
