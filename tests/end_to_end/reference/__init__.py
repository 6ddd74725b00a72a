"""A second implementation of Cheddar's billing rules, written only from the facts.

It imports nothing from the mock's engine. Both were written independently, so their agreement isn't an
accident. `calendar` has bill dates, `invoices` amounts, `account` the effects of calls and time on a
customer, `story` random histories, and `stage` plays a story on the mock and compares.

Facts are documented or from Cheddar's staff, unless they are in ASSUMPTIONS. What not even an assumption
decides raises `Unclear`, and is left out of stories.
"""

ASSUMPTIONS = {
    "month ends": ("K38 to K41", "one month from the last bill date; days that run over stay, for years too"),
    "proration": ("K22", "by seconds, of what was paid for the recurring charge, half cents up"),
    "paid for": (
        "K22",
        "the recurring charge less its promotion; at most what was taken, less its part of refunds",
    ),
    "credit used": ("K76", "credit that was carried or adjusted, and used up by an invoice, counts as paid"),
    "unpaid period": ("K22", "nothing of an unpaid, void, free or trial period is credited"),
    "resetting counters": ("K24", "a prorated change begins a period, so they start at 0"),
    "empty period": (
        "K2",
        "a bill at sign-up has no item lines; quantities given there are for the period to come",
    ),
    "free to paid": ("K26", "as a sign-up, executed on the pending invoice with what stands on it"),
    "change in a trial": ("K28", "keeps the first bill's date, of prorating plans too"),
    "setup in a trial": ("K3", "handler `now`: an invoice of its own at sign-up; `no`: with the first bill"),
    "setup at a change": (
        "K30",
        "none, unless onChangeSetupChargeBillHandler is `now`: on the change's invoice",
    ),
    "held and unpaid": ("K10", "terms, tax rate and promotion are of the bill date; sums follow adjustments"),
    "tax": ("K84", "on the positive net of all lines, half cents up"),
    "promotion months": ("K80", "a bill dated before redemption + n months"),
    "promotion types": ("K80", "none given: all four"),
    "promotion credit": (
        "K74, K81",
        "under the code of the charges it is taken of, each sum rounded half up",
    ),
    "nothing to pay": ("K57, K58", "0.00 needs neither card nor gateway"),
    "dunning": ("K62", "counted from the first decline; a run by hand in between does not move it"),
    "long cancel, owed": (
        "K52, K56",
        "the outstanding invoice is the first bill, the next is a period later",
    ),
    "long cancel, usage": ("K45", "dropped where counters reset; charges and credits of one's own stay"),
    "long cancel, setup": ("K53", "charged as by any sign-up"),
    "declined at once": (
        "K88",
        "a bill by changeBillDate, change or sign-up that is declined did not happen",
    ),
    "held": ("hooks", "run an hour after the acknowledgement; what is executed by a call is never held"),
}
