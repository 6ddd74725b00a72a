"""When an update counts and is charged, and what it is called."""

from enum import Enum, StrEnum


class Alignment(Enum):
    """When an update counts, and what it charges by itself (documented)."""

    AT_RENEWAL = (False, False)
    """From the next renewal on, which bills it. It must arrive before the reminder date."""

    NOW_PRORATED = (True, False)
    """At once; the part of the interval that is left is charged. Refused if that comes to less than zero."""

    NOW_EXTENDED = (True, True)
    """At once; the interval of what is there is extended to that of the changed item."""

    def settings(self, preview: bool) -> dict[str, bool]:
        """The flags on the wire. That the second needs the first is why nobody else writes them."""
        aligned, extended = self.value
        return {
            "AlignToCurrentInterval": aligned,
            "ExtendInterval": extended,
            "GetCustomerPricePreviewOnly": preview,
        }


class UpdateAction(StrEnum):
    """What an update is written down as; it has no effect on what is done (documented)."""

    UPDATE = "update"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
