"""docs/tutorial.md from `pip install` on, in an environment that has nothing else."""

from pathlib import Path

from tests.docs.reader import Reader

from .conftest import Environment, Release


def test_a_reader_starts_with_nothing(release: Release, tmp_path: Path) -> None:
    environment = Environment.new(tmp_path / "environment")
    folder = tmp_path / "shop"
    folder.mkdir()

    def install(requirements: list[str]) -> None:
        environment.install(*(name.replace("tallyhook", str(release.wheel), 1) for name in requirements))

    Reader(folder, environment.folder / "bin", install).follow()
    environment.remove()
