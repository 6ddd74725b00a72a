"""A clock that nobody can set."""

import time

# Linux's monotonic clock stops while the machine sleeps; CLOCK_BOOTTIME doesn't. Other systems lack it.
_BOOT = getattr(time, "CLOCK_BOOTTIME", None)


def uptime() -> float:
    """Seconds since the machine booted. It is the same in all processes, and setting the clock doesn't change
    it.
    """
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)
