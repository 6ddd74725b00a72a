"""Stores a run in a file, so that the run can continue another day. The file contains no password."""

import os
from datetime import datetime
from pathlib import Path

import msgspec

from tallyhook_mock.conform.account import Unusable
from tallyhook_mock.conform.probe import Finding

__all__ = ["Progress", "State", "load", "save"]


class Progress(msgspec.Struct):
    """The progress of a probe. The probe continues at `step`, unless `finding` or `reason` is set."""

    step: int = 0
    wait_until: datetime | None = None
    finding: Finding | None = None
    reason: str = ""  # why the rule was not found out
    memory: dict[str, str] = msgspec.field(default_factory=dict)
    tries: int = 0  # how many times the probe was restarted
    is_at_work: bool = False  # whether a step was started and may be unfinished

    @property
    def is_done(self) -> bool:
        return self.finding is not None or bool(self.reason)


class State(msgspec.Struct, kw_only=True):
    """A run: its account, the objects it has created in the account, and its findings."""

    base_url: str
    product: str
    user: str
    prefix: str
    listener_url: str = ""
    declining_zip: str = ""
    is_checked: bool = False  # whether the product was found empty and its gateway suitable
    plans: list[str] = msgspec.field(default_factory=list)
    probes: dict[str, Progress] = msgspec.field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return all(progress.is_done for progress in self.probes.values())


def load(file: Path) -> State:
    """Read a run from its file. Raises Unusable if the file can't be read or is not the state of a run."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=State)
    except FileNotFoundError:
        raise Unusable(f"{file} doesn't exist: start with `tallyhook conform start`") from None
    except OSError as error:
        raise Unusable(f"{file} can't be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise Unusable(f"{file} is not the state of a run: {error}") from None


def save(state: State, file: Path) -> None:
    """Write a run to its file atomically. Raises Unusable if the file can't be written."""
    new = file.with_name(f"{file.name}.new")
    try:
        new.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=2))
        os.replace(new, file)
    except OSError as error:
        raise Unusable(f"{file} can't be written: {error.strerror}") from None
