"""The chat applications and the process that runs them."""
