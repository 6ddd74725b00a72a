"""`tallyhook doctor`: find problems around a receiver, and say how to fix them."""

from tallyhook_receiver.cli.doctor.command import doctor

__all__ = ["doctor"]
