"""`tallyhook rules`: the settings of Cheddar's rules, and which a running mock follows."""

from tallyhook_mock.cli.remote import URL, MockUrl, Remote
from tallyhook_mock.systems.cheddar.settings import SETTINGS
from tallyhook_receiver.cli.output import Json, print_json, table

__all__ = ["rules"]


def rules(url: MockUrl = URL, as_json: Json = False) -> None:
    """What no source is sure of about Cheddar, what else it could be, and what the mock does.

    A catalogue sets them in `[rules]`.

    Example: tallyhook rules
    """
    chosen = Remote(url).get("/catalog")["rules"]
    found = [
        {
            "name": setting.name,
            "value": chosen.get(setting.name, setting.default),
            "meanings": dict(setting.meanings),
            "standing": setting.standing,
            "source": setting.source,
        }
        for setting in SETTINGS.values()
    ]
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["name"],
            each["value"] if isinstance(each["value"], str) else " ".join(each["value"]),
            ", ".join(name for name in each["meanings"] if name != each["value"]),
            each["standing"],
        )
        for each in found
    ]
    table(("setting", "value", "~others", "the default is known by"), rows, empty="")
