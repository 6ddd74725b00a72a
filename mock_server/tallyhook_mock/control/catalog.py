"""`/_mock/catalog`: the products, plans, users and listeners."""

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.catalog.reading import catalog_schema, catalog_table
from tallyhook_mock.catalog.writing import dump_catalog
from tallyhook_mock.control.requests import holds, json_object, mock_of

__all__ = ["ROUTES"]


async def read(request: Request) -> JSONResponse:
    return JSONResponse(dump_catalog(mock_of(request).systems))


@holds(catalog_table)
async def replace(request: Request) -> JSONResponse:
    """Start over with another catalogue. Customers and hooks are deleted."""
    mock = mock_of(request)
    await mock.replace_catalog(await json_object(request))
    return JSONResponse(dump_catalog(mock.systems))


@holds(catalog_table)
async def add(request: Request) -> JSONResponse:
    """Add the content of another catalogue. Existing customers are kept."""
    mock = mock_of(request)
    mock.add_catalog(await json_object(request))
    return JSONResponse(dump_catalog(mock.systems))


async def schema(_: Request) -> JSONResponse:
    """Return a JSON Schema for catalogues."""
    return JSONResponse(catalog_schema())


ROUTES = [
    Route("/catalog/schema.json", schema, methods=["GET"]),
    Route("/catalog", read, methods=["GET"]),
    Route("/catalog", replace, methods=["PUT"]),
    Route("/catalog", add, methods=["POST"]),
]
