"""What would be published: built once from the tree, for all tests of it."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Release:
    """The two files that are uploaded."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The sdist, and the wheel built from what the sdist holds."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=600)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Release(wheel, sdist)


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python of its own, with nothing in it but what was installed for the test."""

    folder: Path

    @classmethod
    def new(cls, folder: Path, interpreter: str = sys.executable) -> "Environment":
        subprocess.run([interpreter, "-m", "venv", str(folder)], check=True, capture_output=True, timeout=300)
        return cls(folder)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self, *what: str) -> None:
        pip = [str(self.python), "-m", "pip", "install", "--quiet", *what]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, far from the source tree."""
        return subprocess.run(
            [str(self.folder / "bin" / command[0]), *command[1:]],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def remove(self) -> None:
        """Some are large, and there is one for each extra."""
        shutil.rmtree(self.folder)
