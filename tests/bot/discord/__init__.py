"""Discord as people use it, on a simulated server."""
