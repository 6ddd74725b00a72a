"""Run the command line as `python -m tallyhook`. It needs `tallyhook[mock]` or `tallyhook[receiver]`."""

from importlib.metadata import entry_points

if __name__ == "__main__":
    # Found by its entry point, because the SDK doesn't depend on the packages that provide the command.
    (command,) = entry_points(group="console_scripts", name="tallyhook")
    command.load()()
