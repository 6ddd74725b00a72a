"""Cheddar's face: its XML API over the engine, and the bodies of its hooks."""

from tallyhook_mock.cheddar.app import cheddar_app

__all__ = ["cheddar_app"]
