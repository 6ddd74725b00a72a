"""Cleverbridge's face: its JSON API over the engine."""

from tallyhook_mock.cleverbridge.app import cleverbridge_app, is_cleverbridge

__all__ = ["cleverbridge_app", "is_cleverbridge"]
