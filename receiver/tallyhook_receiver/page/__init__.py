"""The receiver's page: the inbox in a browser, for the users that your app admits."""

from tallyhook_receiver.page.app import Check, Page

__all__ = ["Check", "Page"]
