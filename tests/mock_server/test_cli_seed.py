"""`tallyhook seed`: customers for a mock, and for a file."""

import json
from pathlib import Path

from tallyhook_mock import serve
from tallyhook_mock.catalog.reading import load_catalog

from .command import Command, run
from .loopback import catalog


def test_a_running_mock_gets_customers() -> None:
    with serve(catalog()) as server:
        command = Command(server.url)
        done = run("seed", "60", mock=server.url)
        assert (done.returncode, done.stdout) == (0, "60 customers were created\n")
        assert "60/60" in done.stderr  # the progress bar
        assert command.gives("seed", "5", "--plan", "GLOW") == {"created": 5}
        customers = command.gives("customers")
        assert len({each["code"] for each in customers}) == 65
        assert len({each["current"] for each in customers}) > 3  # there is usage, and not the same
        assert server.hooks() == []
        complaint = command.complains(1, "seed", "1", "--plan", "GLOOM", "--json")
        assert complaint == "--plan: 'GLOOM' is not one of GLOW"


def test_a_file_gets_customers(tmp_path: Path) -> None:
    command = Command("")
    base, written, again = tmp_path / "base.toml", tmp_path / "big.json", tmp_path / "again.json"
    base.write_text(
        '[[users]]\nemail = "a@b.example"\npassword = "p"\n[product]\ncode = "ONE"\nsecret = "s"\n'
        '[[product.plans]]\ncode = "P"\n[[product.plans.items]]\ncode = "I"\nquantityIncluded = 4.5\n'
        '[[product.customers]]\ncode = "C00001"\nplanCode = "P"\ninitialBillDate = 2026-03-01T00:00:00Z\n'
    )
    for file in (written, again):
        arguments = ("seed", "30", "--catalog", str(base), "--write", str(file))
        assert command.gives(*arguments) == {"created": 30}
    assert written.read_bytes() == again.read_bytes()
    content = json.loads(written.read_text("utf-8"))
    assert content["product"]["plans"][0]["items"][0]["quantityIncluded"] == "4.5"
    with serve(load_catalog(written)) as server:
        codes = [each["code"] for each in Command(server.url).gives("customers")]
    assert codes == [f"C{number:05}" for number in range(1, 32)]

    for wrong, complaint in (
        (("--write", str(tmp_path / "a.toml")), "must end in .json"),
        (("--catalog", str(base)), "--catalog works only with --write"),
        (("--write", str(written), "--catalog", str(tmp_path / "none.toml")), "No such file"),
        (("--write", str(written), "--product", "TWO"), "--product: one of ACME is required"),
        (("--write", str(tmp_path / "none" / "a.json")), "No such file or directory"),
    ):
        assert complaint in command.complains(2, "seed", "3", *wrong, "--json")
