"""What each command does: thin functions from a `Call` to cards, over the engine's use cases."""
