"""A product whose hooks are received."""

from tallyhook import signing
from tallyhook.cheddar.client import AsyncClient

__all__ = ["Product"]


class Product:
    """A product by its code, the keys that may sign its hooks, and the client that adjusts its invoices.

    While a key is being rotated, name the new one and the old one. `client` is needed for reviews only.
    `scheme` says how hooks are signed, and so what a key looks like; ValueError for a key that can't verify
    anything.
    """

    def __init__(
        self,
        code: str,
        keys: str | bytes | list[str | bytes] | tuple[str | bytes, ...],
        client: AsyncClient | None = None,
        *,
        scheme: signing.Scheme = signing.CHEDDAR,
    ) -> None:
        self.code = code
        self.keys: tuple[str | bytes, ...] = (keys,) if isinstance(keys, str | bytes) else tuple(keys)
        self.client = client
        self.scheme = scheme
        if not self.keys:
            raise ValueError(f"product {code} needs a key")
        for key in self.keys:
            try:
                scheme.check(key)
            except ValueError as error:
                raise ValueError(f"product {code} needs a key of scheme {scheme.name}: {error}") from None

    def __repr__(self) -> str:
        return f"<Product {self.code}: {len(self.keys)} keys>"
