"""Traces for OpenTelemetry. Needs the extra `[opentelemetry]`."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

import tallyhook
from tallyhook.review import EarlierInvoiceOutstanding, Outcome, OutcomeUnknown
from tallyhook.review.journal import Declared, Entry
from tallyhook_receiver.errors import NotYet
from tallyhook_receiver.inbox import Letter, State
from tallyhook_receiver.logs import working_at
from tallyhook_receiver.observer import Observer, Step
from tallyhook_receiver.responses import Response


class Spans(Observer):
    """Traces a receiver's work: `Receiver(…, observers=[Spans()])`.

    Each verified request becomes a span. Its parent is the server's span, or else the span in the request's
    `traceparent` header. The attempt to handle the hook is a child of the request's span, and has a child of
    its own for each step: `confirm`, `handle` and `apply`. Journal entries are events of the `apply` span. To
    trace API calls too, instrument httpx, for example with `HTTPXClientInstrumentor`. Spans never contain
    parts of a hook's body, or exceptions from handlers.

    `provider` is the tracer provider. None means the global provider.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("tallyhook.receiver", tallyhook.__version__, provider)

    def request(self, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        if trace.get_current_span().get_span_context().is_valid:
            return self._span("receive hook", {})
        return self._span("receive hook", {}, propagate.extract(headers), SpanKind.SERVER)

    def answered(self, response: Response, seconds: float) -> None:
        span = trace.get_current_span()
        span.set_attribute("http.response.status_code", response.status)
        if response.status >= 500:
            span.set_status(Status(StatusCode.ERROR))

    def repeated(self, product: str) -> None:
        trace.get_current_span().set_attributes({"tallyhook.product": product, "tallyhook.repeated": True})

    def attempt(self, letter: Letter) -> AbstractContextManager[Span]:
        about = {f"tallyhook.{name}": value for name, value in working_at.get().items()}
        return self._span(f"hook {letter.type}", about)

    @contextmanager
    def step(self, name: Step) -> Iterator[Span]:
        with self._span(name, {}) as span:
            try:
                yield span
            except (NotYet, EarlierInvoiceOutstanding, OutcomeUnknown):  # these mean waiting, not failure
                raise
            except Exception:
                span.set_status(Status(StatusCode.ERROR))
                raise

    def wrote(self, entry: Entry) -> None:
        facts = {"changes": len(entry.changes)} if isinstance(entry, Declared) else {}
        if isinstance(number := getattr(entry, "number", None), int):
            facts["number"] = number
        trace.get_current_span().add_event(type(entry).__name__.lower(), facts)

    def reviewed(self, letter: Letter, outcome: Outcome) -> None:
        trace.get_current_span().set_attributes(
            {
                "tallyhook.standing": outcome.standing.value,
                "tallyhook.changes": len(outcome.applied),
                "tallyhook.ran": outcome.ran,
            }
        )

    def finished(self, letter: Letter, state: State, seconds: float) -> None:
        span = trace.get_current_span()
        span.set_attribute("tallyhook.state", state.value)
        if state in (State.FAILED, State.UNRESOLVED):
            span.set_status(Status(StatusCode.ERROR))

    def _span(
        self,
        name: str,
        attributes: Mapping[str, str],
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> AbstractContextManager[Span]:
        # Spans don't record a handler's exception, because it may contain customer data.
        return self._tracer.start_as_current_span(
            name, context, kind, attributes, record_exception=False, set_status_on_exception=False
        )
