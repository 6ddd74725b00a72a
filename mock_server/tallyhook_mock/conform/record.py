"""A proxy between an application and a billing service. It records calls in a file, without personal data."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import httpx
import msgspec
from lxml import etree
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook_mock.conform.account import Unusable
from tallyhook_mock.conform.pseudonyms import Pseudonyms
from tallyhook_mock.connection import HOP_BY_HOP
from tallyhook_mock.systems.cheddar.api import FORM

__all__ = ["Exchange", "Recorder", "read_recording"]

_DROPPED = HOP_BY_HOP | {"content-encoding", "proxy-authorization"}  # headers that are not forwarded
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)


class Exchange(msgspec.Struct, frozen=True):
    """A recorded call and its answer.

    `call` is the call's name, such as `customers/new`. `path`, `query` and `form` are the parameters that
    were sent in the URL's path, in the URL's query and in the body.
    """

    at: datetime
    method: str
    call: str
    path: list[tuple[str, str]]
    query: list[tuple[str, str]]
    form: list[tuple[str, str]]
    status: int
    document: str


class Recorder:
    """An ASGI application that forwards calls, and appends each call and its answer to `file` as one line.

    `http` is the HTTP client to use. The caller closes it. `upstream` is the service's URL, such as
    `https://getcheddar.com/xml`, to which the paths of calls are appended. `moment` returns the time of an
    answer. If it is None, the time is read from the answer's `Date` header.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        upstream: str,
        file: Path,
        *,
        moment: Callable[[httpx.Response], datetime] | None = None,
    ) -> None:
        self._http, self._upstream, self._file = http, upstream.rstrip("/"), file
        self._moment = moment or _dated
        self._pseudonyms = Pseudonyms()
        self.count = 0
        self.app = Starlette(routes=[Route("/{path:path}", self._pass_on, methods=["GET", "POST"])])

    async def _pass_on(self, request: Request) -> Response:
        body = await request.body()
        path = request.scope.get("raw_path", request.url.path.encode()).decode("ascii").partition("?")[0]
        prefix = httpx.URL(self._upstream).path
        below = path.removeprefix(prefix) if prefix != "/" else path
        query = request.url.query
        url = f"{self._upstream}{below}" + (f"?{query}" if query else "")
        headers = [(name, value) for name, value in request.headers.items() if name not in _DROPPED]
        try:
            answer = await self._http.request(request.method, url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Response(f"{self._upstream}: {error or type(error).__name__}", 502)
        is_form = request.headers.get("content-type", FORM).partition(";")[0].strip().lower() == FORM
        self._keep(request.method, below, query, body.decode("utf-8", "replace") if is_form else "", answer)
        kept = {name: value for name, value in answer.headers.items() if name not in _DROPPED}
        return Response(answer.content, answer.status_code, kept)

    def _keep(self, method: str, path: str, query: str, form: str, answer: httpx.Response) -> None:
        controller, action, *pairs = [*path.strip("/").split("/"), "", ""]
        while pairs and not pairs[-1]:
            pairs.pop()
        names = [unquote(each.replace("+", " ")) for each in pairs]
        on_path = [*zip(names[::2], [*names[1::2], ""], strict=False)]
        on_query, in_form = (parse_qsl(each, keep_blank_values=True) for each in (query, form))
        for group in (on_path, on_query, in_form):
            self._pseudonyms.learn((_inner(name), value) for name, value in group)
        path_kept, query_kept, form_kept = map(self._replaced, (on_path, on_query, in_form))
        given, kept = [*on_path, *on_query, *in_form], [*path_kept, *query_kept, *form_kept]
        quoted = {value.strip(): other for (_, value), (_, other) in zip(given, kept, strict=True)}
        exchange = Exchange(
            self._moment(answer),
            method,
            f"{controller}/{action}",
            path_kept,
            query_kept,
            form_kept,
            answer.status_code,
            self._document(answer.text, quoted),
        )
        with self._file.open("ab") as file:
            file.write(msgspec.json.encode(exchange) + b"\n")
        self.count += 1

    def _replaced(self, parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        replaced = []
        for name, value in parameters:
            inner = _inner(name)
            is_meta = name.startswith("metaData[") or "[metaData]" in name
            replaced.append((name, self._pseudonyms.value("notes" if is_meta else inner, value)))
        return replaced

    def _document(self, text: str, quoted: dict[str, str]) -> str:
        """Return the document with pseudonyms in all text and attributes.

        If the document is not XML, it is treated as free text. An error may quote a value of the call;
        `quoted` has the pseudonyms of these values.
        """
        try:
            root = etree.fromstring(text.encode(), _PARSER)
        except etree.XMLSyntaxError:
            return self._pseudonyms.text(text)
        offered = {each for offer in root.iter("plan", "promotion") for each in offer.iter()}
        for each in offered:
            self._pseudonyms.keep(filter(None, (each.text, *map(str, each.attrib.values()))))
        elements = [each for each in root.iter() if isinstance(each.tag, str) and each not in offered]
        self._pseudonyms.learn((str(each.tag), each.text or "") for each in elements)
        for each in elements:
            parent = each.getparent()
            is_meta = each.tag == "value" and parent is not None and parent.tag == "metaDatum"
            if each.tag == "error":
                parts = (each.text or "").split("'")
                each.text = "'".join(quoted.get(part) or self._pseudonyms.text(part) for part in parts)
            elif each.text and each.text.strip():
                each.text = self._pseudonyms.value("notes" if is_meta else str(each.tag), each.text.strip())
            for name, value in each.attrib.items():
                each.set(name, self._pseudonyms.text(str(value)))
        return etree.tostring(root, encoding="unicode")


def read_recording(file: Path) -> list[Exchange]:
    """Read the calls in a recording. Raises Unusable if the file can't be read or is not a recording."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise Unusable(f"{file} can't be read: {error.strerror}") from None
    exchanges = []
    for number, line in enumerate(lines, 1):
        try:
            exchanges.append(msgspec.json.decode(line, type=Exchange))
        except msgspec.DecodeError as error:
            raise Unusable(f"{file}, line {number}: not a recorded call: {error}") from None
    return exchanges


def _inner(name: str) -> str:
    """Return the name in a parameter's last brackets, such as `ccNumber` for `subscription[ccNumber]`."""
    name = name.removesuffix("[]")
    return name.rpartition("[")[2].rstrip("]") if name.endswith("]") else name


def _dated(answer: httpx.Response) -> datetime:
    try:
        return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
    except (LookupError, ValueError):
        return datetime.now(UTC)
