"""What billing systems without hooks have in common."""

from datetime import datetime

from tallyhook_mock.engine.agenda import Agenda
from tallyhook_mock.engine.happening import Happening

__all__ = ["System"]


class System:
    """What is to come and what has happened, for the clock and the timeline.

    Attributes:
        actor: whom the happenings are laid to.
        agenda: what is to come.
    """

    def __init__(self) -> None:
        self.actor = ""
        self.agenda = Agenda()
        self._happenings: list[Happening] = []

    def next_due(self) -> datetime | None:
        """The next moment at which there is something to do; None if nothing is planned."""
        return self.agenda.next_due()

    def step(self, at: datetime) -> bool:
        """Carry out the next thing that is due at `at`; False if nothing is."""
        self.actor = "system"
        return self.agenda.step(at)

    def catch_up(self, at: datetime) -> None:
        """Carry out all that is due by `at`, each at its moment: it comes before a command of that moment."""
        actor = self.actor
        while (due := self.next_due()) is not None and due <= at:
            self.step(due)
        self.actor = actor

    def note(self, happening: Happening) -> None:
        """Leave it for `take_events`."""
        self._happenings.append(happening)

    def take_events(self) -> list[Happening]:
        """All that happened since the last call, oldest first."""
        happenings, self._happenings = self._happenings, []
        return happenings
