"""Fusebill's API: JSON over HTTP. It translates; what is billed, and when, the engine knows."""
