"""The site as `make docs` builds it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(folder: Path) -> Path:
    """Build the site in a folder; a warning is an error. Returns the folder of its pages."""
    pages = folder / "site"
    command = ["-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "--doctree-dir"]
    done = subprocess.run(
        [sys.executable, *command, str(folder / "doctrees"), str(ROOT / "docs"), str(pages)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return pages


def pages_of(site: Path) -> list[Path]:
    """Every page of the site; the theme keeps a template among its static files."""
    return [page for page in sorted(site.rglob("*.html")) if "_static" not in page.parts]
