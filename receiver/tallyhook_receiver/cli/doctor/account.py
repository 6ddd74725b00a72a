"""Check whether the API accepts the credentials, and whether its clock agrees with this machine's clock."""

import os
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tallyhook import Client, DecodeError, Error, NoAnswer, Unauthorized
from tallyhook.cheddar.client import BASE_URL
from tallyhook_receiver.cli.doctor.finding import Finding, bad, doubtful, good, skipped
from tallyhook_receiver.settings import Settings

_TIMEOUT = 10.0  # seconds

# A Date header gives whole seconds and is written before it arrives, so a difference of up to `_SKEW` seconds
# is ignored. If the difference is over `_TOO_MUCH` seconds, signatures of Standard Webhooks are refused.
_SKEW, _TOO_MUCH = 30, 300


def examine_account(settings: Settings) -> Iterator[Finding]:
    values = settings.values
    if not values.keys() >= {"PRODUCT_CODE", "USER", "PASSWORD"}:
        yield skipped("API", "needs the product, user and password")
        return
    url = values.get("BASE_URL", BASE_URL)
    code = values["PRODUCT_CODE"]
    if is_open_http(url):
        yield doubtful("API", f"{url} is not encrypted, and the password is sent to it", "use https")
    try:
        client = Client(code, values["USER"], values["PASSWORD"], base_url=url, timeout=_TIMEOUT, retries=0)
        with client:
            plans = client.get_plans()
    except Unauthorized:
        yield bad(
            "API",
            f"the user or password is refused for product {code}",
            f"sign in by hand with {settings.prefix}USER; correct {settings.prefix}PASSWORD or PRODUCT_CODE",
        )
    except NoAnswer as error:
        yield bad("API", f"{url}: {error}", f"check the network, or correct {settings.prefix}BASE_URL")
    except DecodeError:
        yield bad("API", f"the server at {url} is not the API", f"correct {settings.prefix}BASE_URL")
    except ValueError:
        yield skipped("API", f"needs a valid {settings.prefix}BASE_URL")
    except (Error, httpx.InvalidURL) as error:
        yield bad("API", f"{url}: {error}", f"correct {settings.prefix}PRODUCT_CODE or BASE_URL")
    else:
        yield good("API", f"product {code} has {len(plans)} plan{'' if len(plans) == 1 else 's'}")


def examine_network() -> list[Finding]:
    """Return findings about environment variables that make every HTTP call fail."""
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        file = os.environ.get(variable)
        if file and not Path(file).exists():
            return [
                bad(
                    "network", f"{variable} names {file}, which doesn't exist", f"correct or unset {variable}"
                )
            ]
    try:
        httpx.Client().close()
    except ssl.SSLError as error:
        file = os.environ.get("SSL_CERT_FILE", "")
        return [
            bad(
                "network",
                f"SSL_CERT_FILE names {file}: {error}",
                "set it to a PEM file with certificates",
            )
        ]
    except (ValueError, ImportError, OSError) as error:
        names = [
            name for name in os.environ if name.lower().endswith("_proxy") and name.lower() != "no_proxy"
        ]
        said = str(error).splitlines()[0]
        fix = f"correct {' or '.join(names)}: a proxy is http://host:port, or socks5:// with httpx[socks]"
        return [bad("network", said, fix if names else "check SSL_CERT_FILE and the proxies")]
    return []


def examine_clock(settings: Settings) -> Iterator[Finding]:
    url = settings.values.get("BASE_URL", BASE_URL)
    try:
        asked = datetime.now(UTC)
        answer = httpx.head(url, timeout=_TIMEOUT)
        theirs = parsedate_to_datetime(answer.headers["Date"])
    except (httpx.HTTPError, httpx.InvalidURL):
        yield skipped("clock", "the API doesn't answer")
        return
    except (KeyError, ValueError):
        yield skipped("clock", "the API's answer has no Date header")
        return
    ours = asked + (datetime.now(UTC) - asked) / 2
    skew = round((ours - theirs.astimezone(UTC)).total_seconds())
    says = f"this machine is {abs(skew)} s {'ahead of' if skew > 0 else 'behind'} the API"
    fix = "set it by NTP: timedatectl set-ntp true"
    if abs(skew) > _TOO_MUCH:
        yield bad("clock", says, fix)
    elif abs(skew) > _SKEW:
        yield doubtful("clock", says, fix)
    else:
        yield good("clock", "this machine and the API agree on the time")


def is_open_http(url: str) -> bool:
    """Return whether requests to this URL cross a network unencrypted."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname in (None, "localhost"):
        return False
    try:
        return not ip_address(parts.hostname).is_loopback
    except ValueError:
        return True
