"""The files of deploy/ and docs/runbooks/."""
