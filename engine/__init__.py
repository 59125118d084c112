"""The engine: values, arithmetic, use cases and the adapters behind its ports."""
