"""What is watched, when, and where it is told: jobs, rules, routes and the outbox."""
