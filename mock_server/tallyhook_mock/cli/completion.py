"""Shell completion of hook types, and of the customers, products, hooks and listeners of a running mock.

The mock's URL is taken from `--mock` or from the environment. If the mock doesn't answer, only hook types are
completed.
"""

import json
import os
from typing import Any
from urllib.parse import quote

import click

from tallyhook_receiver.cli.command import Command

__all__ = ["completion", "customer_codes", "hook_ids", "hook_types", "listener_ids", "product_codes"]

_MOST = 200
_WAIT = 1.0  # seconds; the user is waiting for the completion


@click.command(cls=Command)
@click.argument(
    "shell",
    metavar="bash|zsh|fish",
    type=click.Choice(("bash", "zsh", "fish")),
    help="The shell that runs the script.",
)
def completion(shell: str) -> None:
    """Print a script that lets your shell complete commands, options and hook types.

    While a mock is running, the script also completes its customers, products, hooks and listeners.

    Example: tallyhook completion bash >> ~/.bashrc

    Example: tallyhook completion zsh >> ~/.zshrc

    Example: tallyhook completion fish > ~/.config/fish/completions/tallyhook.fish
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    root = click.get_current_context().find_root()
    click.echo(made(root.command, {}, "tallyhook", "_TALLYHOOK_COMPLETE").source())


def hook_types(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the hook types that begin with the text typed so far."""
    from tallyhook_mock import systems

    return [name for name in systems.hook_types() if name.startswith(incomplete)]


def product_codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return _beginning(incomplete, _products(ctx))


def customer_codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the customer codes, in all products, that begin with the text typed so far."""
    codes: list[str] = []
    for product in _products(ctx):
        answer = _asked(ctx, f"customers?limit=10000&product={quote(product)}")
        codes += (each["code"] for each in answer.get("customers", ()))
    return _beginning(incomplete, codes)


def hook_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the newest hooks' ids that match the text typed so far, each cut before its first hyphen."""
    hooks = _asked(ctx, f"hooks?order=newest&limit={_MOST}").get("hooks", ())
    return _beginning(incomplete, [each["id"].partition("-")[0] for each in hooks])


def listener_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return _beginning(
        incomplete, [each["id"].partition("-")[0] for each in _asked(ctx, "listeners").get("listeners", ())]
    )


def _products(ctx: click.Context) -> list[str]:
    return [each["code"] for each in _asked(ctx, "catalog").get("products", ())]


def _beginning(incomplete: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)][:_MOST]


def _asked(ctx: click.Context, path: str) -> dict[str, Any]:
    from urllib.error import URLError
    from urllib.request import urlopen

    url = str(ctx.params.get("url") or os.environ.get("TALLYHOOK_MOCK") or "http://127.0.0.1:8421")
    try:
        with urlopen(f"{url.rstrip('/')}/_mock/{path}", timeout=_WAIT) as answer:
            content = json.load(answer)
    except (URLError, OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
