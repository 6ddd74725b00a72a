"""`tallyhook doctor`: what is wrong with a receiver's surroundings, and what to do about it."""

from tallyhook_mock.cli.doctor.command import doctor

__all__ = ["doctor"]
