"""The receiver's page: a look into the inbox with a browser, for those whom the app lets in."""

from tallyhook_receiver.page.app import Check, Page

__all__ = ["Check", "Page"]
