"""The receiver's page, which shows the inbox in a browser, to users whom your application admits."""

from tallyhook_receiver.page.app import Check, Page

__all__ = ["Check", "Page"]
