"""`python -m tallyhook`: the command line, which comes with `tallyhook[mock]` or `tallyhook[receiver]`."""

from importlib.metadata import entry_points

if __name__ == "__main__":
    # Looked up, not imported: the SDK knows nothing of the packages that make the command line.
    (command,) = entry_points(group="console_scripts", name="tallyhook")
    command.load()()
