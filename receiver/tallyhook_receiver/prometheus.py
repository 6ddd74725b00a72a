"""Metrics for Prometheus. Needs the extra `[prometheus]`."""

from contextlib import AbstractContextManager
from decimal import Decimal

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from tallyhook import money
from tallyhook.review import Outcome
from tallyhook_receiver.inbox import Letter, State
from tallyhook_receiver.observer import Observer
from tallyhook_receiver.responses import Response

# Upper limits of the buckets, in seconds. Responses take milliseconds. Attempts take as long as their
# handlers and API calls.
_ANSWERED = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 30.0)
_SETTLED = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 300.0)


class Metrics(Observer):
    """Counts a receiver's work: `Receiver(…, observers=[Metrics()])`.

    Labels contain products, types of handled hooks, states and statuses, but never customers. Amounts are in
    the product's currency. Prometheus stores amounts as floats, so use them for graphs, not for accounting.

    `registry` is the registry for the metrics. Create only one `Metrics` per registry.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"tallyhook_{name}", text, labels, registry=registry)

        self._requests = counter(
            "requests", "Requests by the status and word of the response.", "status", "answer"
        )
        self._repeats = counter("repeats", "Deliveries of hooks that are done.", "product")
        self._attempts = counter("attempts", "Attempts at hooks by their result.", "product", "type", "state")
        self._reviews = counter("reviews", "Reviews by their invoice's state.", "product", "standing")
        self._changes = counter("review_changes", "Calls that changed invoices.", "product", "change")
        self._amount = counter("review_amount", "Changes to the totals of invoices.", "product", "direction")
        self._unresolved = counter("unresolved", "Hooks that wait for a person's decision.", "product")
        self._looks = counter("second_looks", "Second looks at reviews by their result.", "product", "state")
        self._running = Gauge(
            "tallyhook_attempts_running",
            "Attempts at hooks that are running.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._request_seconds = Histogram(
            "tallyhook_request_seconds",
            "Seconds from a verified signature to the answer.",
            buckets=_ANSWERED,
            registry=registry,
        )
        self._attempt_seconds = Histogram(
            "tallyhook_attempt_seconds",
            "Seconds that attempts took.",
            ("product", "type"),
            buckets=_SETTLED,
            registry=registry,
        )

    def refused(self, response: Response) -> None:
        self._count(response)

    def answered(self, response: Response, seconds: float) -> None:
        self._count(response)
        self._request_seconds.observe(seconds)

    def repeated(self, product: str) -> None:
        self._repeats.labels(product).inc()

    def attempt(self, letter: Letter) -> AbstractContextManager[object]:
        return self._running.track_inprogress()

    def finished(self, letter: Letter, state: State, seconds: float) -> None:
        self._attempts.labels(letter.product, letter.type, state.value).inc()
        self._attempt_seconds.labels(letter.product, letter.type).observe(seconds)
        if state is State.UNRESOLVED:
            self._unresolved.labels(letter.product).inc()

    def looked_again(self, letter: Letter, state: State) -> None:
        self._looks.labels(letter.product, state.value).inc()
        if state is State.UNRESOLVED:
            self._unresolved.labels(letter.product).inc()

    def reviewed(self, letter: Letter, outcome: Outcome) -> None:
        product = letter.product
        self._reviews.labels(product, outcome.standing.value).inc()
        for change in outcome.applied:
            self._changes.labels(product, str(type(change).__struct_config__.tag)).inc()
        if outcome.total_before is not None and outcome.total_after is not None:
            difference = money.total((outcome.total_after, outcome.total_before.copy_negate()))
            direction = "added" if difference > Decimal(0) else "taken off"
            self._amount.labels(product, direction).inc(float(difference.copy_abs()))

    def _count(self, response: Response) -> None:
        self._requests.labels(str(response.status), response.word).inc()
