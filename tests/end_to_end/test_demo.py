"""The demo and the README's listener, as a user starts them."""

import os
import re
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from tallyhook import Client
from tallyhook_mock import serve
from tallyhook_mock.catalog.reading import load_catalog

ROOT = Path(__file__).parents[2]


def test_the_demo_bills_to_the_cent() -> None:
    command = Path(sys.executable).with_name("tallyhook")
    done = subprocess.run(
        [command, "demo"], capture_output=True, text=True, timeout=60, env=os.environ | {"COLUMNS": "120"}
    )
    assert done.returncode == 0, done.stderr
    assert "invoice #2 executed: 57.50 approved" in done.stdout
    assert "82.50 in all" in done.stdout
    assert "hook answered: the invoice stays held" in done.stdout


def test_the_listener_of_the_readme_is_the_one_in_examples() -> None:
    readme = (ROOT / "README.md").read_text()
    example = (ROOT / "examples" / "listener.py").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert example.strip() in [block.strip() for block in blocks]


def test_the_listener_of_the_readme_bills_its_usage(tmp_path: Path) -> None:
    catalog = load_catalog(ROOT / "examples" / "catalog.toml")
    (product,) = catalog["products"]
    del product["listeners"]  # its port may be in use on the test machine
    with serve(catalog) as mock, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", "--app-dir", ROOT / "examples", "listener:app"]
        with subprocess.Popen(
            [*command, "--fd", str(free.fileno()), "--log-level", "warning"],
            pass_fds=[free.fileno()],
            env=os.environ | {"CHEDDAR_URL": mock.xml, "TALLYHOOK_INBOX": str(tmp_path / "inbox.sqlite")},
        ) as listener:
            try:
                mock.listen(f"http://127.0.0.1:{port}/hooks", ["subscriptionBillable"])
                mock.advance("1mo")
                mock.advance("1h")
            finally:
                listener.terminate()
        with Client("ACME", "ops@example.com", "cheddar", base_url=mock.xml) as client:
            paid = client.get_customer("ada").subscription.invoices[1]
    # 20.00, 3 seats at 10.00, 13 GB above the two included, and the credit of the review
    assert paid.transactions[0].amount == Decimal("20.00") + 30 + Decimal("32.50") - 5
