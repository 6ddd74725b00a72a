"""The release as its users get it: what is in it, and that every extra works by itself, on every Python."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from textwrap import dedent

import pytest

import tallyhook

from .conftest import ROOT, Environment, Release

PACKAGES = {"tallyhook", "tallyhook_receiver", "tallyhook_mock"}

# What each extra is for, done once with nothing else installed.
EXTRAS = {
    "": """
        import sys, tallyhook, tallyhook.cleverbridge, tallyhook.fusebill
        tallyhook.Client("ACME", "ops@example.com", "password").close()
        assert not {"starlette", "uvicorn", "rich", "click"} & set(sys.modules)
    """,
    "receiver": """
        import asyncio, uvicorn, tallyhook_receiver
        from tallyhook_receiver import Cheddar, Receiver
        receiver = Receiver(Cheddar("ACME", "secret"), inbox="inbox.sqlite")
        async def once():
            answer = await receiver.handle("POST", {}, b"{}")
            assert answer.status in (400, 401, 403), answer
            await receiver.aclose()
        asyncio.run(once())
        uvicorn.Config(receiver.asgi).load()
    """,
    "postgres": """
        import psycopg, psycopg_pool
        from tallyhook_receiver.inbox import open_inbox
        open_inbox("postgresql://nobody@127.0.0.1:9/none")
    """,
    "ed25519": """
        from base64 import b64encode
        from datetime import UTC, datetime
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from tallyhook import signing
        pair = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        private = "whsk_" + b64encode(pair.private_bytes_raw()).decode()
        public = "whpk_" + b64encode(pair.public_key().public_bytes_raw()).decode()
        at = datetime.now(UTC)
        headers = signing.STANDARD_V1A.sign(b"{}", private, id="msg_1", at=at)
        assert signing.STANDARD_V1A.verify(headers, b"{}", [public], at=at)
        assert not signing.STANDARD_V1A.verify(headers, b"[]", [public], at=at)
    """,
    "aiohttp": """
        import asyncio
        from httpx_aiohttp import HttpxAiohttpClient
        from tallyhook import AsyncClient, NoAnswer
        async def once():
            async with HttpxAiohttpClient() as http:
                client = AsyncClient("ACME", "u", "p", base_url="http://127.0.0.1:9", http=http, retries=0)
                try:
                    await client.get_plans()
                except NoAnswer as error:
                    assert not error.maybe_applied
        asyncio.run(once())
    """,
    "prometheus": """
        from prometheus_client import generate_latest
        from tallyhook_receiver import Cheddar, Receiver
        from tallyhook_receiver.prometheus import Metrics
        Receiver(Cheddar("ACME", "secret"), inbox=":memory:", observers=[Metrics()])
        assert b"tallyhook_requests" in generate_latest()
    """,
    "opentelemetry": """
        from tallyhook_receiver import Cheddar, Receiver
        from tallyhook_receiver.opentelemetry import Spans
        Receiver(Cheddar("ACME", "secret"), inbox=":memory:", observers=[Spans()])
    """,
    "mock": """
        import urllib.request
        from tallyhook_mock import serve
        with serve() as server:
            with urllib.request.urlopen(server.url) as page:
                assert page.status == 200
            server.advance("1mo")
    """,
}


def interpreters() -> Iterator[str]:
    """Every Python that the release is for and that is at hand, but the one that runs this."""
    known = Path(os.environ.get("PYENV_ROOT", "")) / "versions"
    for minor in range(11, 15):
        names = [f"python3.{minor}", *map(str, known.glob(f"3.{minor}.*/bin/python"))]
        for found in filter(None, map(shutil.which, names)):
            asked = subprocess.run(
                [found, "-c", "import sys, venv; print(sys.version_info[:2])"], capture_output=True, text=True
            )
            if asked.stdout.strip() == str((3, minor)) != str(sys.version_info[:2]):
                yield found
                break


def test_a_wheel_holds_the_three_packages_and_nothing_else(release: Release) -> None:
    with zipfile.ZipFile(release.wheel) as wheel:
        names = wheel.namelist()
    info = f"tallyhook-{tallyhook.__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {*PACKAGES, info}
    assert not [name for name in names if Path(name).match("test_*") or name.endswith((".pyc", ".sqlite"))]
    for package in PACKAGES:
        source = next(ROOT.glob(f"*/{package}"))
        tracked = {
            str(file.relative_to(source.parent))
            for file in source.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        }
        assert {name for name in names if name.startswith(f"{package}/")} == tracked
        assert f"{package}/py.typed" in names


def test_an_sdist_holds_what_a_wheel_is_built_from(release: Release) -> None:
    with tarfile.open(release.sdist) as sdist:
        names = {Path(*Path(name).parts[1:]) for name in sdist.getnames()}
    tops = {name.parts[0] for name in names if name.parts}
    assert tops == {
        "sdk",
        "receiver",
        "mock_server",
        "README.md",
        "LICENSE",
        "pyproject.toml",
        "PKG-INFO",
        ".gitignore",
    }


def test_the_version_stands_in_one_place(release: Release) -> None:
    with zipfile.ZipFile(release.wheel) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        described = Parser().parsestr(wheel.read(metadata).decode())
    assert described["Version"] == tallyhook.__version__
    assert tallyhook.__version__ in release.sdist.name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["readme", "version"]
    assert f"## {tallyhook.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_description_leads_to_the_site(release: Release) -> None:
    with zipfile.ZipFile(release.wheel) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        description = wheel.read(metadata).decode().partition("\n\n")[2]
    addresses = re.findall(r"\]\(([^)]+)|(?:src|srcset)=\"([^\"]+)", description)
    assert len(addresses) > 20
    assert not [each for each in addresses if not "".join(each).startswith("https://")]


def test_every_extra_is_tried() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {*extras} == {*filter(None, EXTRAS), "dev"}


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra or "none")
def test_an_extra_alone_is_enough(release: Release, tmp_path: Path, extra: str) -> None:
    environment = Environment.new(tmp_path / "environment")
    environment.install(f"{release.wheel}[{extra}]" if extra else str(release.wheel))
    done = environment.run("python", "-W", "error", "-c", dedent(EXTRAS[extra]))
    assert done.returncode == 0, done.stderr
    environment.remove()


def test_a_receiver_is_looked_after_where_it_runs(release: Release, tmp_path: Path) -> None:
    """With its own extra: a container has no other."""
    environment = Environment.new(tmp_path / "environment")
    environment.install(f"{release.wheel}[receiver]")
    made = """
        import asyncio
        from tallyhook_receiver import Cheddar, Receiver
        async def once():
            async with Receiver(Cheddar("ACME", "secret"), inbox="inbox.sqlite"):
                pass
        asyncio.run(once())
    """
    assert environment.run("python", "-c", dedent(made)).returncode == 0
    file = environment.folder / "body"
    file.write_bytes(b"{}")
    for command, code, told in [
        ("inbox stats --inbox inbox.sqlite", 0, "0 journal entries"),
        ("doctor --url http://127.0.0.1:9/hooks", 1, "TALLYHOOK_KEYS is not set"),
        ("verify body --key secret --signature 00", 1, "it was cut, or is not Cheddar's"),
    ]:
        done = environment.run("tallyhook", *command.split())
        assert (done.returncode, done.stderr) == (code, "")
        assert told in done.stdout
    done = environment.run("tallyhook", "mock")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(" is missing; pip install 'tallyhook[mock]'\n")
    assert done.stderr.count("\n") == 1
    environment.remove()


def test_a_command_says_what_is_missing(release: Release, tmp_path: Path) -> None:
    environment = Environment.new(tmp_path / "environment")
    environment.install(str(release.wheel))
    done = environment.run("tallyhook", "demo")
    assert done.returncode != 0
    assert "tallyhook[mock]" in done.stderr
    environment.remove()


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
def test_everything_runs_in_another_loop_than_asyncios(release: Release, tmp_path: Path) -> None:
    """`uvicorn[standard]` brings one, and its transports are not of asyncio's classes."""
    environment = Environment.new(tmp_path / "environment")
    environment.install(f"{release.wheel}[mock,receiver]", "uvicorn[standard]")
    calls = """
        import asyncio, os, uvloop
        from tallyhook import AsyncClient, NoAnswer
        from tallyhook_mock import serve
        from tallyhook_receiver import Cheddar, Receiver

        async def call(url):
            async with AsyncClient("ACME", "ops@example.com", "cheddar", base_url=url) as client:
                plans = await asyncio.gather(*(client.get_plans() for _ in range(30)))
                assert all(plans)
            async with Receiver(Cheddar("ACME", "secret"), inbox="inbox.sqlite") as receiver:
                assert (await receiver.handle("POST", {}, b"{}")).status == 401
                assert (await receiver.inbox.stats()).entries == 0

        try:
            uvloop.run(call("http://127.0.0.1:9/xml"))
        except NoAnswer as error:
            assert not error.maybe_applied
        else:
            raise AssertionError("nobody is there")
        for tls in (False, True):
            with serve(tls=tls) as server:
                if server.authority:
                    os.environ["SSL_CERT_FILE"] = str(server.authority)
                uvloop.run(call(server.xml))
    """
    done = environment.run("python", "-c", dedent(calls))
    assert done.returncode == 0, done.stderr
    done = environment.run("tallyhook", "demo")
    assert done.returncode == 0, done.stderr
    assert "57.50" in done.stdout
    environment.remove()


@pytest.mark.parametrize("interpreter", [*interpreters()], ids=lambda found: Path(found).parts[-3])
def test_another_python_plays_the_demo(release: Release, tmp_path: Path, interpreter: str) -> None:
    environment = Environment.new(tmp_path / "environment", interpreter)
    environment.install(f"{release.wheel}[mock,receiver]")
    done = environment.run("tallyhook", "demo")
    assert done.returncode == 0, done.stderr
    assert "57.50" in done.stdout
    environment.remove()
