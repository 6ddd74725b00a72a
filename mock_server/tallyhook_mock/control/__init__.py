"""The control API under `/_mock`: JSON over HTTP, for clients on this machine only."""
