"""`tallyhook doctor`: find problems in a receiver's setup, and say how to fix them."""

from tallyhook_receiver.cli.doctor.command import doctor

__all__ = ["doctor"]
