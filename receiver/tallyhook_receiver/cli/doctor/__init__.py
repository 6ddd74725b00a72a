"""`tallyhook doctor`: what is wrong with a receiver's surroundings, and what to do about it."""

from tallyhook_receiver.cli.doctor.command import doctor

__all__ = ["doctor"]
