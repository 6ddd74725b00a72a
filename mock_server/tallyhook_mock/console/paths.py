"""Which paths are the console's: known without loading it."""

__all__ = ["is_console"]


def is_console(path: str) -> bool:
    """Whether a path belongs to the console."""
    return path == "/" or path == "/console" or path.startswith("/console/")
