"""The receiver's page: the inbox in a browser, for people whom the app lets in."""

from tallyhook_receiver.page.app import Check, Page

__all__ = ["Check", "Page"]
