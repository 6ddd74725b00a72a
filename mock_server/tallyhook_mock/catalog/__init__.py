"""The catalogue: which products, plans, users, listeners and first customers a mock starts with."""

from tallyhook_mock.catalog.reading import Catalog, default_catalog, load_catalog, read_catalog
from tallyhook_mock.catalog.table import CatalogError
from tallyhook_mock.catalog.writing import dump_catalog

__all__ = ["Catalog", "CatalogError", "default_catalog", "dump_catalog", "load_catalog", "read_catalog"]
