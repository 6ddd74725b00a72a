"""Letters for tests of inboxes."""

from decimal import Decimal

from tallyhook.review.journal import Adding, DeclaredCharge
from tallyhook_receiver import Letter


def letter(
    key: str, *, product: str = "ACME", type: str = "subscriptionBillable", body: bytes = b"{}"
) -> Letter:
    return Letter(key=key, product=product, type=type, body=body)


def adding(number: int) -> Adding:
    charge = DeclaredCharge(code="A", each_amount=Decimal("1.10"))
    return Adding(number=number, charge=charge, before=("x",))


LETTER = letter("k1", body=b'{"a": "\xc3\xa9"}')
ADDING = adding(1)
