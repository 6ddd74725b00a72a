"""The control API under `/_mock`: JSON for tests and people, on this machine only."""
