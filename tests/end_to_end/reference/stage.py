"""Play many stories on one mock, and compare the bills with the reference."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from tests.end_to_end.by_hand import CARD, PASSWORD, PAYPAL, SECRET, USER, Answer, Bill, ByHand, http
from tests.end_to_end.reference.account import Account, Event
from tests.end_to_end.reference.invoices import Item, Line, Plan
from tests.end_to_end.reference.story import Story
from tests.mock_server.loopback import listening

from tallyhook_mock import serve

WHO = "ANN"
SHOWN = 4  # how many differing invoices are shown
Answered = tuple[int, str]  # the status, and the text of an error


def differences(stories: Sequence[Story]) -> dict[int, str]:
    """The differences between the mock and the reference, as text, by the seed of the story."""
    with ExitStack() as stack:
        start = f"{stories[0].begins:%Y-%m-%dT%H:%M:%SZ}"
        server = stack.enter_context(serve(_catalog(stories), start=start))
        client = stack.enter_context(http())
        hands = {story.seed: ByHand(server, client, story.product) for story in stories}
        listener = stack.enter_context(listening())
        for story in stories:
            if story.reviewed:
                server.listen(listener.url, ["subscriptionBillable"], story.product)
        worked = {story.seed: story.worked_out() for story in stories}
        answered = _play(stories, hands)
        found = {}
        for seed, (story, account, statuses) in worked.items():
            told = _compare(hands[seed], account, story, statuses, answered[seed])
            if told:
                found[seed] = told
        return found


def smallest(story: Story) -> tuple[Story, str]:
    """The story without the events that the difference doesn't need, and the difference."""
    told = differences([story])[story.seed]
    step = max(1, len(story.events) // 2)
    while step:
        position = len(story.events)
        while position > 1:
            dropped = story.events[max(1, position - step) : position]
            shorter = story.without(dropped).worked_out()[0]
            found = differences([shorter]) if dropped else {}
            if found:
                story, told = shorter, found[story.seed]
            position -= step
            position = min(position, len(story.events))
        step //= 2
    return story, told


def _play(stories: Iterable[Story], hands: Mapping[int, ByHand]) -> dict[int, list[Answered]]:
    calls: dict[datetime, list[tuple[int, Event]]] = defaultdict(list)
    for story in stories:
        for event in story.events:
            calls[event.at].append((story.seed, event))
    answered: dict[int, list[Answered]] = {story.seed: [] for story in stories}
    clock = next(iter(hands.values()))
    for at in sorted(calls):
        clock.to(at)
        for seed, event in calls[at]:
            if event.what != "join" and not _has_joined(answered[seed]):
                continue
            if event.what == "decline":
                hands[seed].decline(WHO, event.given["count"])
                answered[seed].append((200, ""))
            else:
                answer = _make(hands[seed], event)
                if event.given.get("paypal") and answer.status == 200:
                    answer = _agreed(hands[seed])
                answered[seed].append((answer.status, answer.refusal))
    clock.to(max(story.end for story in stories))
    return answered


def _has_joined(answered: Iterable[Answered]) -> bool:
    """Whether the sign-up has succeeded. Before that, nothing else is called."""
    return any(status == 200 for status, _ in answered)


def _make(hand: ByHand, event: Event) -> Answer:
    """Make the call of an event."""
    given = dict(event.given)
    period = "outstanding" if given.pop("outstanding", False) else None
    match event.what:
        case "join":
            return hand.new(WHO, given["plan"], card=False, **_joining(given))
        case "set":
            action = "set-item-quantity"
            form = {"itemCode": given["item"], "quantity": given["quantity"], "invoicePeriod": period}
        case "add":
            action = "add-item-quantity" if given["quantity"] > 0 else "remove-item-quantity"
            form = {"itemCode": given["item"], "quantity": f"{abs(given['quantity']):f}"}
        case "charge":
            action, form = "add-charge", _charge(given) | {"invoicePeriod": period}
        case "change":
            action = "edit-subscription"
            form = {"planCode": given["plan"], "changeBillDate": _iso(given.get("bill"))}
            form |= _method(given, "card")
        case "bill_date":
            action, form = "edit-subscription", {"changeBillDate": _iso(given.get("to")) or "now"}
        case "new_card":
            action = "edit-subscription"
            form = _method(given, "good_until") | {"changeBillDate": _iso(given.get("bill"))}
        case "coupon":
            action, form = "edit-subscription", {"couponCode": given["code"]}
        case "tax":
            action, form = (
                "edit-customer",
                {"taxRate": given.get("rate"), "isTaxExempt": _flag(given.get("exempt"))},
            )
        case "cancel":
            action, form = "cancel", {}
        case "run":
            if given["by_number"]:
                return hand.call(f"invoices/run/number/{given['number']}")
            action, form = "run-outstanding", {}
        case "waive":
            return hand.call(f"invoices/waive/number/{given['number']}")
        case "one_time":
            return hand.call("invoices/new", code=WHO, charges={"0": _charge(given)})
        case "refund":
            return hand.call("invoices/refund", number=given["number"], amount=given["amount"])
        case "void":
            return hand.call("invoices/void", number=given["number"])
        case "edit_plan":
            items = {str(place): _item(item) for place, item in enumerate(given["items"])}
            fields = {"recurringChargeAmount": given["amount"], "setupChargeAmount": given["setup"]}
            fields |= {"initialBillCount": given["trial"]}
            return hand.call("plans/edit", code=given["plan"], items=items, **fields)
        case other:
            raise ValueError(other)
    return hand.call(f"customers/{action}", code=WHO, **form)


def _agreed(hand: ByHand) -> Answer:
    """Agree to pay by PayPal. The answer is as if the call itself had been paid."""
    if hand.customer(WHO).find("./customer/subscriptions/subscription/redirectUrl") is None:
        return Answer(410, b"<error>the customer does not wait for PayPal</error>")
    status = hand.agree(WHO)
    return Answer(200 if status == 303 else status, b"<agreed/>")


def _joining(given: Mapping[str, Any]) -> dict[str, Any]:
    dates = {"initialBillDate": _iso(given["first_bill"]), "couponCode": given["coupon"]}
    items = {
        str(n): {"itemCode": code, "quantity": count}
        for n, (code, count) in enumerate(given["items"].items())
    }
    return {
        "subscription": _method(given, "card") | dates,
        "items": items,
        "taxRate": given["tax_rate"],
        "isTaxExempt": _flag(given["tax_exempt"]),
    }


def _method(given: Mapping[str, Any], name: str) -> dict[str, str]:
    if given.get("paypal"):
        return PAYPAL | {"ccFirstName": CARD["ccFirstName"], "ccLastName": CARD["ccLastName"]}
    good_until = given.get(name)
    return CARD | {"ccExpiration": f"{good_until:%m/%Y}"} if good_until else {}


def _charge(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"chargeCode": given["code"], "quantity": given["quantity"], "eachAmount": given["each"]}


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _flag(value: bool | None) -> str | None:
    return None if value is None else str(int(value))


def _item(item: Item) -> dict[str, Any]:
    return {
        "code": item.code,
        "quantityIncluded": item.included,
        "overageAmount": item.price,
        "isPeriodic": int(item.resets),
    }


def _catalog(stories: Iterable[Story]) -> dict[str, Any]:
    return {
        "users": [{"email": USER, "password": PASSWORD}],
        "products": [_product(story) for story in stories],
    }


def _product(story: Story) -> dict[str, Any]:
    return {
        "code": story.product,
        "secret": SECRET,
        "taxRate": str(story.tax_rate),
        "isTaxExempt": story.tax_exempt,
        "plans": [_plan(plan) for plan in story.plans],
        "promotions": [
            {
                "name": promotion.coupon,
                "percentage": str(promotion.percent),
                "coupons": [{"code": promotion.coupon}],
                "chargeTypes": sorted(promotion.types),
            }
            | ({"months": promotion.months} if promotion.months else {})
            | ({"plans": sorted(promotion.plans)} if promotion.plans else {})
            for promotion in story.promotions
        ],
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "code": plan.code,
        "recurringChargeAmount": str(plan.amount),
        "billingFrequency": plan.frequency,
        "isFree": plan.free,
        "paymentMethodIsRequired": False,
        "initialBillCount": plan.trial,
        "initialBillCountUnit": plan.trial_unit,
        "setupChargeCode": plan.setup_code,
        "setupChargeAmount": str(plan.setup),
        "setupChargeBillHandler": "now" if plan.setup_at_sign_up else "no",
        "onChangeSetupChargeBillHandler": "now" if plan.setup_at_change else "no",
        "onChangeInitialBillHandler": "now" if plan.prorates else "no",
        "items": [
            _item(item)
            | {
                "quantityIncluded": str(item.included),
                "overageAmount": str(item.price),
                "isPeriodic": item.resets,
            }
            for item in plan.items
        ],
    }


# -- comparing


def _compare(
    hand: ByHand, account: Account, story: Story, statuses: Sequence[int], answered: Sequence[Answered]
) -> str:
    """The differences as text; empty if there are none."""
    bills = {bill.number: bill for bill in hand.bills(WHO)} if _has_joined(answered) else {}
    mine = {invoice.number: _worked_out(invoice, account) for invoice in account.invoices()}
    theirs = {number: _billed(bill, account) for number, bill in bills.items()}
    state = "active" if account.active else "canceled"
    ends = [f"{state} on {account.code}" if account.code else "no customer"]
    if bills:
        customer = hand.customer(WHO)
        found = customer.findtext("./customer/subscriptions/subscription/canceledDatetime")
        plan = customer.find("./customer/subscriptions/subscription/plans/plan").get("code")
        ends.append(f"{'canceled' if found else 'active'} on {plan}")
    else:
        ends.append("no customer")
    differ = [number for number in sorted({*mine, *theirs}) if mine.get(number) != theirs.get(number)]
    if not differ and statuses == [status for status, _ in answered] and ends[0] == ends[1]:
        return ""
    told = [*_tell(story, statuses, answered), "", *_side_by_side(ends[:1], ends[1:])]
    for number in differ[:SHOWN]:
        told += _side_by_side(mine.get(number, []), theirs.get(number, []))
    if differ[SHOWN:]:
        told.append(f"  and {len(differ) - SHOWN} more")
    return "\n".join(told)


def _worked_out(invoice: Any, account: Account) -> list[str]:
    if invoice is account.pending:
        return [f"#{invoice.number} {invoice.type} {_moment(invoice.at)} pending"]
    return [
        f"#{invoice.number} {invoice.type} {_moment(invoice.at)}",
        *_rows(invoice.lines()),
        f"tax {invoice.tax:.2f} total {invoice.total:.2f}",
        *(f"{_moment(at)} {amount:.2f} {response}" for at, amount, response in sorted(invoice.tries)),
    ]


def _billed(bill: Bill, account: Account) -> list[str]:
    if account.pending and bill.number == account.pending.number and not bill.tries:
        return [f"#{bill.number} {bill.type} {_moment(bill.at)} pending"]
    return [
        f"#{bill.number} {bill.type} {_moment(bill.at)}",
        *_rows([Line(line.type, line.code, line.quantity, line.each) for line in bill.lines]),
        f"tax {bill.tax:.2f} total {bill.total:.2f}",
        *(f"{_moment(at)} {amount:.2f} {response}" for at, amount, response in bill.tries),
    ]


def _rows(lines: Iterable[Line]) -> list[str]:
    """Lines as text. Lines of 0.00 are left out, and only the amounts of credits are compared."""
    return sorted(
        f"{line.code} {line.amount:.2f}"
        if line.amount < 0
        else f"{line.code} {line.type} {line.quantity.normalize():f} x {line.each:.2f}"
        for line in lines
        if line.amount
    )


def _tell(story: Story, statuses: Sequence[int], answered: Sequence[Answered]) -> list[str]:
    exempt, held = " exempt" if story.tax_exempt else "", ", held for review" if story.reviewed else ""
    told = [
        f"story {story.seed}, worked out on the left, billed on the right",
        f"  tax {story.tax_rate}{exempt}{held}",
    ]
    told += [f"  {_words(_spare(vars(plan)))}" for plan in story.plans]
    told += [f"  {_words(_spare(vars(promotion)))}" for promotion in story.promotions]
    for event, mine, theirs in zip_longest(story.events, statuses, answered, fillvalue=(0, "not called")):
        answer = (
            f"{mine}" if mine == theirs[0] else f"{mine} worked out, answered {theirs[0]} {theirs[1]}  <---"
        )
        told.append(f"  {_moment(event.at)} {event.what} {_words(event.given)} -> {answer}")
    return told


def _spare(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value or isinstance(value, Decimal)}


def _words(given: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_word(value)}" for name, value in given.items() if value is not None)


def _word(value: Any) -> str:
    match value:
        case datetime():
            return _moment(value)
        case frozenset():
            return "/".join(sorted(value))
        case tuple():
            return ", ".join(f"{item.code} {item.price} above {item.included}" for item in value)
        case dict():
            return ", ".join(f"{name} {count}" for name, count in value.items())
    return str(value)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}".removesuffix(":00").removesuffix(" 00:00")


def _side_by_side(mine: Sequence[str], theirs: Sequence[str]) -> list[str]:
    return [
        f"  {left:<52}{'  ' if left == right else '! '}{right}"
        for left, right in zip_longest(mine, theirs, fillvalue="")
    ]
