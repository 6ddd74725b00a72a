"""A clock that isn't affected when someone sets the system's time."""

import time

# Linux's monotonic clock stops while the machine sleeps; CLOCK_BOOTTIME doesn't. Other systems lack
# CLOCK_BOOTTIME.
_BOOT = getattr(time, "CLOCK_BOOTTIME", None)


def uptime() -> float:
    """Return the seconds since the machine booted.

    All processes on the machine get the same value, and setting the system's time doesn't change it.
    """
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)
