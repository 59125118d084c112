"""What is said to whom and when: routes, the outbox, scheduled jobs."""
