"""The pytest plugin. If `tallyhook[mock]` is installed, the plugin provides the fixtures."""

from importlib.util import find_spec

import pytest

_NEEDED = ("cryptography", "httptools", "jinja2", "starlette", "uvicorn")


def pytest_configure(config: pytest.Config) -> None:
    manager = config.pluginmanager
    plugin = manager.get_plugin("tallyhook")
    if all(map(find_spec, _NEEDED)):
        manager.import_plugin("tallyhook_mock.cli.fixtures")
    elif plugin is not None:
        manager.unregister(plugin)
        # Remove the plugin from the list that pytest prints. There is no public API for this.
        shown = getattr(manager, "_plugin_distinfo", [])
        shown[:] = [entry for entry in shown if entry[0] is not plugin]
