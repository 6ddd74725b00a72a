"""The examples as they stand in their files, beside a mock with the catalogue that they are tried with."""

import asyncio
import importlib.util
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from starlette.applications import Starlette
from starlette.routing import Route
from tests.postgres import Postgres

from tallyhook_mock.testing import CheddarServer

EXAMPLES = Path(__file__).parents[2] / "examples"

Load = Callable[..., Any]

_databases = itertools.count(1)


@pytest.fixture
def catalog_file() -> str:
    """Which catalogue of the examples is served."""
    return "catalog.toml"


@pytest.fixture
def cheddar_catalog(catalog_file: str) -> Mapping[str, Any]:
    catalog = tomllib.loads((EXAMPLES / catalog_file).read_text())
    for product in catalog["products"]:
        del product["listeners"]  # their port may be taken on the machine of this test
    return catalog


@pytest.fixture
def environment(
    cheddar_server: CheddarServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """What an example reads from its environment, in a folder of its own; set in this process too."""
    variables = {
        "CHEDDAR_URL": cheddar_server.xml,
        "CHEDDAR_USER": cheddar_server.user,
        "CHEDDAR_PASSWORD": cheddar_server.password,
        "CHEDDAR_SECRET": cheddar_server.secret,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in ("DATABASE", "JOURNAL", "TALLYHOOK_INBOX"):  # their places are in that folder
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return variables


@pytest.fixture
def load(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Load:
    """Import an example's file, anew, with more variables in its environment."""

    def loaded(name: str, **variables: str) -> Any:
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return loaded


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres_database(postgres_server: Postgres) -> str:
    """The URL of a database in PostgreSQL with nothing in it."""
    name = f"example_{next(_databases)}"
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return postgres_server.url(name)


def hosted(example: Any) -> Starlette:
    """The application of an example that leaves its client's connections to the end of the process."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with example.client, example.receiver:
            yield

    return Starlette(routes=[Route("/hooks", example.app)], lifespan=lifespan)


@contextmanager
def process(*command: str) -> Iterator[str]:
    """An example that uvicorn serves in a process of its own, on a port of its choice: its URL."""
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True) as started:
        try:
            assert started.stderr is not None
            said = []
            for line in started.stderr:
                said.append(line)
                if (running := re.search(r"running on (http://\S+)", line)) is not None:
                    break
            else:
                raise RuntimeError("".join(said))
            yield running[1]
        finally:
            started.terminate()


def ask(app: Any, method: str, path: str, **options: Any) -> httpx.Response:
    """One request to an ASGI application, in this process."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, path, **options)

    return asyncio.run(asked())
