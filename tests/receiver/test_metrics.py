"""Prometheus metrics and OpenTelemetry spans, as their libraries export them."""

import subprocess
import sys

import pytest
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry, generate_latest
from tests.cheddar import KEY, FakeCheddar, signed
from tests.end_to_end.stage import BILLED, CARD, CATALOG, PASSWORD, SECRET, START, USER

from tallyhook import AsyncClient, events
from tallyhook.review import Review
from tallyhook_mock import Mock, create_app
from tallyhook_mock.server import serving
from tallyhook_receiver import Cheddar, NotYet, Receiver
from tallyhook_receiver.opentelemetry import Spans
from tallyhook_receiver.prometheus import Metrics

TRACE, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
TRACEPARENT = f"00-{TRACE:032x}-{PARENT:016x}-01"


def changed() -> bytes:
    return FakeCheddar().hook(activityType="subscriptionChanged")


async def test_the_metrics_of_a_review() -> None:
    registry, cheddar = CollectorRegistry(), FakeCheddar()
    async with cheddar.async_client() as client:
        product = Cheddar("ACME", KEY, client)
        async with Receiver(product, inbox=":memory:", observers=[Metrics(registry)]) as receiver:

            @receiver.review
            async def audit(review: Review) -> None:
                assert value("tallyhook_attempts_running") == 1
                review.set_quantity("GB", 15)
                review.credit("SORRY", "10.00")

            @receiver.on(events.SubscriptionChanged)
            async def moved(hook: events.SubscriptionChanged) -> None:
                raise ValueError("no")

            def value(name: str, **labels: str) -> float | None:
                return registry.get_sample_value(name, labels)

            for body in (cheddar.hook(), cheddar.hook(), changed()):
                await receiver.handle("POST", signed(body), body)
            await receiver.handle("POST", {}, changed())
            await receiver.handle("GET", {}, b"")

    assert value("tallyhook_requests_total", status="200", answer="done") == 2
    assert value("tallyhook_requests_total", status="500", answer="failed") == 1
    assert value("tallyhook_requests_total", status="401", answer="not signed with a known key") == 1
    assert value("tallyhook_requests_total", status="405", answer="POST only") == 1
    assert value("tallyhook_request_seconds_count") == 3
    assert value("tallyhook_repeats_total", product="ACME") == 1
    billable = {"product": "ACME", "type": "subscriptionBillable"}
    assert value("tallyhook_attempts_total", state="done", **billable) == 1
    assert value("tallyhook_attempt_seconds_count", **billable) == 1
    assert value("tallyhook_attempts_total", product="ACME", type="subscriptionChanged", state="failed") == 1
    assert value("tallyhook_attempts_running") == 0
    assert value("tallyhook_reviews_total", product="ACME", standing="outstanding") == 1
    assert value("tallyhook_review_changes_total", product="ACME", change="set") == 1
    assert value("tallyhook_review_changes_total", product="ACME", change="add") == 1
    # 12 more gigabytes at 2.50, less the credit.
    assert value("tallyhook_review_amount_total", product="ACME", direction="added") == 20
    exposed = generate_latest(registry).decode()
    for private in ("NORA", "cust-1", "SORRY", "inv-11"):
        assert private not in exposed


async def test_types_without_a_handler_make_no_labels() -> None:
    """Otherwise a sender with a key could create any number of labels."""
    registry = CollectorRegistry()
    async with Receiver(Cheddar("ACME", KEY), inbox=":memory:", observers=[Metrics(registry)]) as receiver:
        body = FakeCheddar().hook(activityType="madeUp")
        assert (await receiver.handle("POST", signed(body), body)).status == 200
    assert "madeUp" not in generate_latest(registry).decode()


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def named(spans: tuple[ReadableSpan, ...], name: str) -> ReadableSpan:
    (found,) = [span for span in spans if span.name == name]
    return found


def parent(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


async def test_the_spans_of_a_review(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    """Including spans of the API calls, made to a mock over real HTTP."""
    mock = Mock(CATALOG, start=START)
    HTTPXClientInstrumentor().instrument(tracer_provider=provider)
    try:
        async with (
            serving(create_app(mock)) as api,
            AsyncClient("ACME", USER, PASSWORD, base_url=f"{api}/xml") as client,
        ):
            receiver = Receiver(
                Cheddar("ACME", SECRET, client), inbox=":memory:", observers=[Spans(provider)]
            )

            @receiver.review
            async def audit(review: Review) -> None:
                review.set_quantity("SEAT", 2)
                review.charge("A", "1.50")

            await client.new_customer("C1", "Ida", "Lamp", "ida@example.com", "FLAT", payment=CARD)
            async with serving(receiver.asgi) as url:
                mock.listen("ACME", f"{url}/hooks", frozenset({"subscriptionBillable"}))
                exporter.clear()
                await mock.advance(BILLED)
    finally:
        HTTPXClientInstrumentor().uninstrument()
    spans = exporter.get_finished_spans()
    request, attempt = named(spans, "receive hook"), named(spans, "hook subscriptionBillable")
    handle, apply = named(spans, "handle"), named(spans, "apply")
    assert parent(attempt) == request.context.span_id
    assert parent(handle) == parent(apply) == attempt.context.span_id
    calls = [span for span in spans if parent(span) == apply.context.span_id]
    assert len(calls) == 4  # read, set, add, read back
    assert {span.context.trace_id for span in (attempt, handle, apply, *calls)} == {request.context.trace_id}
    assert [event.name for event in apply.events] == ["declared", "adding", "added", "verified"]
    assert request.attributes is not None
    assert attempt.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    assert {"tallyhook.product": "ACME", "tallyhook.state": "done"}.items() <= attempt.attributes.items()
    told = "".join(span.to_json() for span in (request, attempt, handle, apply))
    for private in ("Ida", "ida@example.com", "C1"):
        assert private not in told


async def test_a_trace_goes_on_once_the_signature_is_verified(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    async with Receiver(Cheddar("ACME", KEY), inbox=":memory:", observers=[Spans(provider)]) as receiver:

        @receiver.on(events.SubscriptionChanged)
        def moved(hook: events.SubscriptionChanged) -> None:
            raise ValueError(hook.customer.code)

        traced = {"traceparent": TRACEPARENT}
        assert (await receiver.handle("POST", traced, changed())).status == 401
        assert exporter.get_finished_spans() == ()
        assert (await receiver.handle("POST", signed(changed()) | traced, changed())).status == 500
        spans = exporter.get_finished_spans()
        request = named(spans, "receive hook")
        assert (request.context.trace_id, parent(request)) == (TRACE, PARENT)
        for failed in ("hook subscriptionChanged", "handle"):
            status = named(spans, failed).status
            assert (status.status_code, status.description) == (StatusCode.ERROR, None)
        assert "NORA" not in "".join(span.to_json() for span in spans)

        # The server may have started its own span.
        exporter.clear()
        with provider.get_tracer("server").start_as_current_span("POST /hooks") as server:
            await receiver.handle("POST", signed(changed()) | traced, changed())
        request = named(exporter.get_finished_spans(), "receive hook")
        assert parent(request) == server.get_span_context().span_id


async def test_who_waits_has_not_failed(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    async with Receiver(Cheddar("ACME", KEY), inbox=":memory:", observers=[Spans(provider)]) as receiver:

        @receiver.on(events.SubscriptionChanged)
        def moved(hook: events.SubscriptionChanged) -> None:
            raise NotYet

        assert (await receiver.handle("POST", signed(changed()), changed())).status == 503
    assert named(exporter.get_finished_spans(), "handle").status.status_code is StatusCode.UNSET


def test_neither_library_is_loaded_unless_it_is_asked_for() -> None:
    code = "import sys, tallyhook_receiver; print({'prometheus_client', 'opentelemetry'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"
