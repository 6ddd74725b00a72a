"""`/_mock/listeners`: the URLs that get hooks."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallyhook_mock.catalog.table import KeyedListener, Required
from tallyhook_mock.control.requests import bad, missing, mock_of, named_product, path_id, takes
from tallyhook_mock.core import ids
from tallyhook_mock.core.hooks import CHEDDAR, Listener

__all__ = ["ROUTES"]


async def index(request: Request) -> JSONResponse:
    listeners = mock_of(request).state.hooks.listeners.values()
    return JSONResponse({"listeners": [_shown(listener) for listener in listeners]})


class ListenerTable(KeyedListener):
    product: Required | None = None
    system: Required = CHEDDAR


@takes(ListenerTable)
async def create(request: Request, wish: ListenerTable) -> JSONResponse:
    """Register a listener at `url`, for hooks of the types in `events` (default: all).

    `product` is required if there are several products. For a `system` other than Cheddar, leave out
    `product`. If that system's hooks contain a key, `header` and `key` may be given.
    """
    header, key = wish.header or "", wish.key
    if wish.system != CHEDDAR and wish.product is not None:
        raise wish.wrong("product", f"{wish.system} has none")
    if wish.system == CHEDDAR and (header or key):
        name = "header" if header else "key"
        raise wish.wrong(name, "Cheddar's hooks are signed with the secret of their product")
    product = named_product(request, wish.product).code if wish.system == CHEDDAR else ""
    try:
        listener = mock_of(request).listen(
            product, wish.url, frozenset(wish.events), system=wish.system, header=header, key=key
        )
    except ValueError as error:
        raise bad(str(error)) from None
    return JSONResponse(_shown(listener), 201)


async def delete(request: Request) -> Response:
    """Remove a listener, and cancel its unfinished deliveries."""
    mock_of(request).forget(_named(request))
    return Response(status_code=204)


async def pause(request: Request) -> JSONResponse:
    """Stop sending hooks to the listener until it is resumed. Until then, its hooks are kept."""
    listener = _named(request)
    mock_of(request).pause(listener)
    return JSONResponse(_shown(listener))


async def resume(request: Request) -> JSONResponse:
    listener = _named(request)
    mock_of(request).resume(listener)
    return JSONResponse(_shown(listener))


def _named(request: Request) -> Listener:
    listener = mock_of(request).state.hooks.listeners.get(path_id(request))
    if listener is None:
        raise missing("there is no such listener")
    return listener


def _shown(listener: Listener) -> dict[str, Any]:
    return {
        "id": ids.text(listener.id),
        "system": listener.system,
        "product": listener.product,
        "url": listener.url,
        "events": sorted(listener.events),
        "isPaused": listener.is_paused,
        **({"header": listener.header, "key": listener.key} if listener.header else {}),
    }


ROUTES = [
    Route("/listeners", index, methods=["GET"]),
    Route("/listeners", create, methods=["POST"]),
    Route("/listeners/{id}", delete, methods=["DELETE"]),
    Route("/listeners/{id}/pause", pause, methods=["POST"]),
    Route("/listeners/{id}/resume", resume, methods=["POST"]),
]
