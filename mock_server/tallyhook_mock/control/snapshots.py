"""`/_mock/snapshots`: save and restore the mock's state."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallyhook_mock.catalog.table import Required, Table
from tallyhook_mock.control.requests import bad, missing, mock_of, takes

__all__ = ["ROUTES"]

_LONGEST = 100


async def index(request: Request) -> JSONResponse:
    """List the snapshots, oldest first, with their names and their sizes in bytes."""
    kept = mock_of(request).snapshots
    shown = [{"name": name, "size": len(written)} for name, written in kept.items()]
    return JSONResponse({"snapshots": shown})


class SnapshotTable(Table):
    name: Required


@takes(SnapshotTable)
async def save(request: Request, wish: SnapshotTable) -> JSONResponse:
    """Save the mock's state under a `name`. An earlier snapshot with this name is replaced."""
    mock = mock_of(request)
    name = wish.name
    if len(name) > _LONGEST or not name.isprintable() or "/" in name:
        raise bad(f"name: up to {_LONGEST} printable characters, without a slash")
    mock.snapshots.pop(name, None)
    mock.snapshots[name] = mock.save()
    await mock.persistence.checkpoint()
    return JSONResponse({"name": name, "size": len(mock.snapshots[name])}, 201)


async def restore(request: Request) -> JSONResponse:
    """Restore the customers, invoices, hooks, listeners, faults and clock from a snapshot."""
    mock = mock_of(request)
    await mock.restore(_found(request))
    return JSONResponse({"name": request.path_params["name"], "now": mock.clock.now().isoformat()})


async def delete(request: Request) -> Response:
    mock = mock_of(request)
    _found(request)
    del mock.snapshots[request.path_params["name"]]
    await mock.persistence.checkpoint()
    return Response(status_code=204)


def _found(request: Request) -> bytes:
    name = request.path_params["name"]
    kept = mock_of(request).snapshots
    if name not in kept:
        raise missing(f"there is no snapshot {name!r}; existing snapshots: {', '.join(kept) or 'none'}")
    return kept[name]


ROUTES = [
    Route("/snapshots", index, methods=["GET"]),
    Route("/snapshots", save, methods=["POST"]),
    Route("/snapshots/{name:path}/restore", restore, methods=["POST"]),
    Route("/snapshots/{name:path}", delete, methods=["DELETE"]),
]
