"""When an update takes effect and is charged, and its label."""

from enum import Enum, StrEnum


class Alignment(Enum):
    """When an update takes effect, and what it charges (documented)."""

    AT_RENEWAL = (False, False)
    """From the next renewal on, which bills it. It must arrive before the reminder date."""

    NOW_PRORATED = (True, False)
    """At once; the part of the interval that is left is charged. Refused if that comes to less than zero."""

    NOW_EXTENDED = (True, True)
    """At once; the interval of what is there is extended to that of the changed item."""

    def settings(self, preview: bool) -> dict[str, bool]:
        """The flags on the wire. The second one requires the first."""
        aligned, extended = self.value
        return {
            "AlignToCurrentInterval": aligned,
            "ExtendInterval": extended,
            "GetCustomerPricePreviewOnly": preview,
        }


class UpdateAction(StrEnum):
    """The label of an update; it has no other effect (documented)."""

    UPDATE = "update"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
