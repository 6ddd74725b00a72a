"""A product whose hooks are received."""

from tallyhook.client import AsyncClient

__all__ = ["Product"]


class Product:
    """A product by its code, the secret keys that may sign its hooks, and the client that adjusts its
    invoices.

    While a key is being rotated, name the new one and the old one. `client` is needed for reviews only.
    """

    def __init__(
        self,
        code: str,
        keys: str | bytes | list[str | bytes] | tuple[str | bytes, ...],
        client: AsyncClient | None = None,
    ) -> None:
        self.code = code
        self.keys = (keys,) if isinstance(keys, str | bytes) else tuple(keys)
        self.client = client
        if not self.keys or not all(self.keys):
            raise ValueError(f"product {code} needs a key, and an empty key is none")

    def __repr__(self) -> str:
        return f"<Product {self.code}: {len(self.keys)} keys>"
