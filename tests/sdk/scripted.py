"""Clients with scripted answers, for checking what they send and how they read answers."""

import inspect
import json
from collections.abc import Callable
from typing import Any

import httpx

Step = httpx.Response | Exception


class Script:
    """Answers with one step after another, repeats the last one, and records the requests."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        step = self.steps[min(len(self.requests), len(self.steps) - 1)]
        self.requests.append(request)
        if isinstance(step, Exception):
            raise step
        # A response can be sent only once.
        return httpx.Response(step.status_code, headers=step.headers, content=step.content)

    @property
    def sent(self) -> Any:
        """The JSON of the last request, with numbers in their original spelling."""
        return json.loads(self.requests[-1].content, parse_float=str)


def answer(node: Any, status: int = 200) -> httpx.Response:
    """A JSON answer. A string is used as the JSON itself."""
    content = node if isinstance(node, str) else json.dumps(node)
    return httpx.Response(status, content=content, headers={"Content-Type": "application/json"})


Ask = Callable[..., Any]


def asking(client: type, *credentials: str) -> Ask:
    """Calls one method of a client of either kind: `ask(script, "get_subscription", "S1", …)`."""

    async def ask(script: Script, name: str, *args: Any, **kwargs: Any) -> Any:
        made = client(*credentials, backoff=0, transport=httpx.MockTransport(script))
        result = getattr(made, name)(*args, **kwargs)
        return await result if inspect.iscoroutine(result) else result

    return ask
