"""`tallyhook verify`: verify the signature of a saved hook."""

import json
import os
import sys
from pathlib import Path

import click

from tallyhook import signing
from tallyhook_receiver.cli.command import BAD, USAGE, Command, fail, json_option
from tallyhook_receiver.cli.diagnosis import diagnose
from tallyhook_receiver.cli.output import echo, print_json

# Read by `settings.read`, not by click, which would split a key that contains a space.
_VARIABLE = "TALLYHOOK_KEYS"


@click.command(cls=Command)
@click.argument(
    "body",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file with the hook's raw body, unchanged; - reads stdin.",
)
@click.option(
    "--key",
    multiple=True,
    show_default=f"the variable {_VARIABLE} or {_VARIABLE}_FILE",
    help="The product's secret key; may be repeated. Other users of this machine can see it, so prefer the"
    " variable.",
)
@click.option("--signature", default="", show_default=False, help="The value of the header X-CG-SIGNATURE.")
@click.option(
    "--token", default="", show_default=False, help="The value of the header X-CG-TOKEN, if it was saved."
)
@click.option(
    "--headers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file with the hook's headers: one per line, or as a JSON object.",
)
@json_option
def verify(
    body: Path, key: tuple[str, ...], signature: str, token: str, headers: Path | None, as_json: bool
) -> None:
    """Verify the signature of a saved hook. If the signature is wrong, explain why and exit with 1.

    Distinguishes a wrong key from a changed body, and recognises common causes: a line break at the end of
    the body, JSON that a proxy rewrote, a different encoding, a signature in upper case, or a different
    signing scheme.

    Example: tallyhook verify hook.json --headers hook.headers --key "$SECRET"
    """
    if not all(each.strip() for each in key):
        fail("--key is empty: is the variable set that you pass?", USAGE)
    keys = key or _keys()
    content = _read(body)
    if headers is not None:
        named = _headers(headers)
        signature = signature or named.get(signing.SIGNATURE_HEADER.lower(), "")
        token = token or named.get(signing.TOKEN_HEADER.lower(), "")
    elif not signature:
        fail("--signature or --headers is required", USAGE)
    found = diagnose(content, signature, token, keys)
    if as_json:
        print_json({"fits": found.fits, "findings": found.findings, "bytes": len(content)})
    else:
        echo("\n".join(found.findings))
    if not found.fits:
        sys.exit(BAD)


def _keys() -> list[str]:
    """Return the keys in the environment: one key, or the old and the new key while you replace it."""
    from tallyhook_receiver.settings import read  # imported only here, because the import is slow

    settings = read(os.environ)
    keys: list[str] = settings.values.get("KEYS", [])
    missing = f"--key or the variable {_VARIABLE} is required"
    return keys or fail(settings.problems.get("KEYS", missing), USAGE)


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}", USAGE)


def _headers(file: Path) -> dict[str, str]:
    """Return the headers in a file, with lower-case names."""
    text = _read(file).decode("utf-8", "replace")
    try:
        content = json.loads(text)
    except ValueError:
        lines = (line.partition(":") for line in text.splitlines())
        content = {name.strip(): value for name, colon, value in lines if colon}
    if not isinstance(content, dict) or not content:
        fail(f"{file} has no headers; it needs lines such as `{signing.SIGNATURE_HEADER}: …`", USAGE)
    return {str(name).lower(): str(value).strip() for name, value in content.items()}
