"""`/_mock/openapi.json`: the OpenAPI document of the control API, generated from its routes."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import tallyhook

__all__ = ["document", "route"]

_ERROR = {
    "description": "What is wrong, and what is expected.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"error": {"type": "string"}},
                "required": ["error"],
            }
        }
    },
}


def route(routes: Iterable[Route]) -> Route:
    """Return a route that serves the OpenAPI document of `routes` and of the new route itself."""
    described = list(routes)

    async def openapi(_: Request) -> JSONResponse:
        """Return the OpenAPI document of the control API."""
        return JSONResponse(document(described))

    made = Route("/openapi.json", openapi, methods=["GET"])
    described.append(made)
    return made


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of these routes."""
    routes = list(routes)
    kinds = {id(each): kind for each in routes if (kind := _body(each)) is not None}
    names = list(kinds)
    schemas, components = msgspec.json.schema_components(
        kinds.values(), ref_template="#/components/schemas/{name}"
    )
    bodies = dict(zip(names, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in routes:
        calls = paths.setdefault(f"/_mock{each.path_format}", {})
        for method in sorted((each.methods or set()) - {"HEAD"}):
            calls[method.lower()] = _call(each, method, bodies.get(id(each)))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tallyhook's mock: its control API", "version": tallyhook.__version__},
        "paths": paths,
        "components": {"schemas": components},
    }


def _body(route: Route) -> Any:
    """Return the class that describes the request body of a route, or None if it has no body."""
    marks = route.endpoint.__dict__
    return marks["holds"]() if "holds" in marks else marks.get("takes")


def _call(route: Route, method: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
    text = {"type": "string"}
    queries = route.endpoint.__dict__.get("asks", ())
    parameters = [
        *({"name": name, "in": "path", "required": True, "schema": text} for name in route.param_convertors),
        *({"name": name, "in": "query", "schema": text} for name in queries),
    ]
    said = " ".join((route.endpoint.__doc__ or "").split())
    shown: dict[str, Any] = {
        "operationId": f"{method.lower()}{_camel(route.path_format)}",
        "summary": said,
        "parameters": parameters,
        "responses": {"2XX": {"description": "Done."}, "4XX": _ERROR},
    }
    if body is not None:
        content = {"application/json": {"schema": body}}
        shown["requestBody"] = {"required": True, "content": content}
    return shown


def _camel(path: str) -> str:
    return "".join(part.strip("{}").replace(".", "").title() for part in path.split("/"))
