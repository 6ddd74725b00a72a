"""The `tallyhook` command."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the `tallyhook` command. Exits with 2 if a required package is not installed."""
    try:
        from tallyhook_mock.cli.app import app

        app(prog_name="tallyhook")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith("tallyhook"):
            raise
        sys.stderr.write(f"tallyhook: {missing} is missing; pip install 'tallyhook[mock]'\n")
        sys.exit(2)
