"""The plugin as users have it: pytest runs of their own, with the plugins they have beside it."""

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

INI = "[pytest]\nfilterwarnings = error\naddopts = -p no:asyncio\n"
CONFTEST = """
import pytest
from tallyhook_receiver import Cheddar, Receiver

pytest_plugins = ["tallyhook_mock.testing.short_names"]

@pytest.fixture
def app(cheddar, async_client):
    receiver = Receiver(Cheddar(cheddar.product, cheddar.secret, async_client), inbox=":memory:")

    @receiver.review
    async def audit(review):
        review.set_quantity("GB", 508)

    return receiver.asgi

@pytest.fixture(autouse=True)
def subscribed(cheddar):
    cheddar.plan("PRO", price="50.00", items={"GB": {"overage": "1.00", "included": 500}})
    cheddar.customer("C1", plan="PRO")
"""
AUDIT = """
    def test_what_was_used_is_billed(cheddar, client, app):
        cheddar.listener(app)
        cheddar.bill("C1")
        cheddar.assert_billed("C1", "58.00")
        assert client.get_customer("C1").code == "C1"
"""
ASYNC_AUDIT = """
    async def test_in_a_thread_apart(cheddar, async_client, app):
        cheddar.listener(app)
        await cheddar.abill("C1")
        cheddar.assert_billed("C1", "58.00")
        assert (await async_client.get_customer("C1")).code == "C1"

    async def test_in_the_loop_of_the_test(cheddar, app):
        async with cheddar.listening(app):
            await cheddar.abill("C1")
        cheddar.assert_billed("C1", "58.00")
"""


@pytest.fixture(autouse=True)
def project(pytester: pytest.Pytester) -> None:
    pytester.makefile(".ini", pytest=INI)
    pytester.makeconftest(CONFTEST)


def test_a_failure_shows_the_bill_and_the_line_of_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_right=AUDIT, test_wrong=AUDIT.replace("58.00", "57.00"))
    run = pytester.runpytest()
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.fnmatch_lines(
        [
            '>       cheddar.assert_billed("C1", "57.00")',
            "E       AssertionError: C1 was billed 58.00, not 57.00: 1.00 too much",
            "E       invoice #2 of C1, 2026-01-01 00:00 to 2026-02-01 00:00, plan PRO: paid 2026-02-01 01:00",
            "E         GB * 8   1.00    8.00  508 used, 500 included",
            "E         total * 58.00",
            "*test_wrong.py:4: AssertionError",
        ]
    )
    run.stdout.no_fnmatch_line("*asserts.py*")


def test_in_several_processes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest, urllib.request

        @pytest.mark.parametrize("number", range(8))
        def test_alone_in_the_world(cheddar_server, client, number):
            assert [each.code for each in client.get_customers()] == ["C1"]
            cheddar_server.customer(f"N{number}", plan="PRO")
            assert urllib.request.urlopen(f"{cheddar_server.url}/_mock/clock").status == 200
        """
    )
    run = pytester.runpytest_subprocess("-n", "2")
    run.assert_outcomes(passed=8)


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_beside_pytest_asyncio(pytester: pytest.Pytester, mode: str) -> None:
    marker = "import pytest\npytestmark = pytest.mark.asyncio\n" if mode == "strict" else ""
    pytester.makepyfile(marker + ASYNC_AUDIT.replace("\n    ", "\n"))
    options = ["-o", "addopts=", "-o", "asyncio_default_fixture_loop_scope=function", "-p", "no:anyio"]
    pytester.runpytest(f"--asyncio-mode={mode}", *options).assert_outcomes(passed=2)


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_beside_anyio(pytester: pytest.Pytester, mode: str) -> None:
    marker = "import pytest\npytestmark = pytest.mark.anyio\n" if mode == "strict" else ""
    backend = "\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    pytester.makeconftest(CONFTEST + backend)
    pytester.makepyfile(marker + ASYNC_AUDIT.replace("\n    ", "\n"))
    options = ["-o", "anyio_mode=auto"] if mode == "auto" else []
    pytester.runpytest(*options).assert_outcomes(passed=2)


def test_fixtures_of_the_same_names_are_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def receiver_client():
            return "the project's"
        """
    )
    pytester.makepyfile(web="import pytest\n@pytest.fixture\ndef client():\n    return 'of a framework'\n")
    pytester.makepyfile(
        """
        from tallyhook import AsyncClient, Client

        def test_names(client, receiver_client, cheddar_client, cheddar_async_client):
            assert (client, receiver_client) == ("of a framework", "the project's")
            assert isinstance(cheddar_client, Client)
            assert isinstance(cheddar_async_client, AsyncClient)
        """
    )
    pytester.syspathinsert()
    pytester.runpytest("-p", "web").assert_outcomes(passed=1)


def test_all_names_begin_with_cheddar(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("")
    run = pytester.runpytest_subprocess("--fixtures", "-v")
    ours = {line.partition(" ")[0] for line in run.outlines if "tallyhook_mock" in line and " -- " in line}
    assert {"cheddar", "cheddar_client", "cheddar_receiver_client"} <= ours
    assert not [name for name in ours if not name.startswith(("cheddar", "_cheddar"))]


def test_without_the_extra_there_is_nothing(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("")
    pytester.makepyfile(
        without="""
        import sys

        sys.modules["starlette"] = None
        """,
        test_it="def test_of_no_concern():\n    pass\n",
    )
    pytester.syspathinsert()
    pytester.makefile(".ini", pytest="[pytest]\nfilterwarnings = error\naddopts = -p without -p no:asyncio\n")
    shown = pytester.runpytest_subprocess("--fixtures", "-v")
    assert "cheddar" not in shown.stdout.str()
    run = pytester.runpytest_subprocess()
    run.assert_outcomes(passed=1)
    assert "tallyhook" not in run.stdout.str()


def test_it_costs_a_test_run_nothing() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import tallyhook_mock.cli.pytest_plugin; "
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "['tallyhook_mock']"
