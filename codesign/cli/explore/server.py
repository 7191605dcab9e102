"""The server of ``codesign explore``: for this machine, this page and its reader alone.

It listens on 127.0.0.1. Whoever asks must know the random token in the address, and must ask for
this host by its number or as localhost, so that no other site's name leads here. A page of another
site can neither read an answer, for none allows it, nor have anything solved: what changes
something is asked for in JSON, and from this page's own origin.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from codesign.cli.explore.answers import AnyDesign, Explored, Family, design_text, limits_of
from codesign.cli.explore.background import Background
from codesign.cli.explore.page import chart_of, explore_page, limit_text
from codesign.cli.terminal import note
from codesign.errors import CodesignError, SpecError
from codesign.problem.problem import Problem
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.html.page import page
from codesign.results.html.report import check_figures, page_title, tabs_of
from codesign.results.views import DesignOutline
from codesign.units import METRIC_UNITS

HOST = "127.0.0.1"
MOST_BODY = 10_000  # bytes of a question
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Reply = tuple[str, bytes]  # type and content


Keep = Callable[[Problem, Design | DataflowDesign | str], None]  # a design, or why there is none


class Exploration:
    """What the server knows, and the solve under way.

    Parameters
    ----------
    keep : callable, optional
        Given what is found, to write it where it belongs.
    """

    def __init__(self, explored: Explored, title: str, keep: Keep | None = None) -> None:
        self.explored, self.title, self._keep = explored, title, keep
        self.background, self.lock = Background(), Lock()

    def state(self) -> dict[str, Any]:
        """The solve under way, and all designs known."""
        with self.lock:
            every = self.explored.families
            return {
                "busy": self.background.busy,
                "text": self.background.text,
                "known": len(self.explored.designs),
                "changes": self.explored.changes,
                "designs": [[_listed(x, n, design) for n, design in x.designs] for x in every],
                "charts": [chart_of(self.explored, n) for n in range(len(every))],
            }

    def answer(self, family: Any, limits: Any) -> dict[str, Any]:
        """What is known within limits."""
        with self.lock:
            mine = self._family(family)
            found = mine.answer(limits_of(mine, limits))
        number = found.number if found.whole else None
        return {"text": found.text, "number": number, "done": found.proven and found.whole} | {
            "proven": found.proven
        }

    def solve(self, family: Any, limits: Any) -> None:
        """Solve for limits in the background."""
        with self.lock:
            mine = self._family(family)
            within = limits_of(mine, limits)
            problem = mine.asked(within)

        def end(how: str, what: Any) -> None:
            with self.lock:
                if how == "design":
                    dataflow = what["format"] == DataflowDesign.FORMAT
                    kind = DataflowDesign if dataflow else Design
                    what = kind.from_dict(what, "the solve")
                    self.explored.add(what, problem)
                    mine.rule_out(within, what.proof.bound)
                elif how == "infeasible":
                    mine.rule_out(within, math.inf)
            if self._keep is not None and how != "error":
                try:
                    self._keep(problem, what)
                except CodesignError as error:
                    note(f"{error}; what was found lasts as long as this server")

        self.background.start(problem, end)

    def design(self, number: str) -> Design | DataflowDesign:
        """A design by its number."""
        with self.lock:
            if not number.isdecimal() or int(number) >= len(self.explored.designs):
                raise SpecError(f"no design {number[:20]!r}")
            found = self.explored.designs[int(number)]
        if isinstance(found, DesignOutline):
            raise SpecError(f"design {int(number) + 1}: its totals alone are known; solve it")
        return found

    def _family(self, number: Any) -> Any:
        if not isinstance(number, int) or not 0 <= number < len(self.explored.families):
            raise SpecError("family: no such problem")
        return self.explored.families[number]


def _listed(family: Family, number: int, design: AnyDesign) -> dict[str, Any]:
    """A design as the page lists it; of one that cannot be seen the limits to solve it within."""
    told: dict[str, Any] = {"number": number, "text": design_text(number, design), "within": None}
    if isinstance(design, DesignOutline):
        limits = family.limits_at(design).items()
        told["within"] = {x: limit_text(most / METRIC_UNITS[x].scale) for x, most in limits}
    return told


class Server(ThreadingHTTPServer):
    """A server of one exploration.

    Attributes
    ----------
    address : str
        With its token.
    """

    daemon_threads = True

    def __init__(self, exploration: Exploration, port: int = 0) -> None:
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            raise SpecError(f"port {port}: cannot be used: {error.strerror}") from None
        self.exploration, self.token = exploration, secrets.token_urlsafe(24)
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}
        self.address = f"http://{HOST}:{self.server_port}/{self.token}/"

    def server_close(self) -> None:
        """End what is under way and stop listening."""
        self.exploration.background.cancel()
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no matter."""


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30
    server_version, sys_version = "codesign", ""

    def do_GET(self) -> None:
        """Pages and what is known."""
        self._reply(self._got)

    def do_POST(self) -> None:
        """What changes something."""
        self._reply(self._posted)

    def _reply(self, make: Callable[[str], Reply]) -> None:
        try:
            place = self._allowed()
            if place is None:
                return self._send(HTTPStatus.FORBIDDEN, *_json({"error": "not for you"}))
            return self._send(HTTPStatus.OK, *make(place))
        except LookupError:
            return self._send(HTTPStatus.NOT_FOUND, *_json({"error": "nothing is here"}))
        except CodesignError as error:
            return self._send(HTTPStatus.BAD_REQUEST, *_json({"error": str(error)}))

    def _allowed(self) -> str | None:
        """The address asked for below the token; None for those who may not ask."""
        if self.headers.get("Host", "") not in self.server.hosts:
            return None
        token, _, place = self.path.removeprefix("/").partition("/")
        known = compare_digest(token.encode(), self.server.token.encode())
        return place if known else None

    def _got(self, place: str) -> Reply:
        parts, exploration = urlsplit(place), self.server.exploration
        asked = parts.path
        if asked == "":
            with exploration.lock:
                return _html(explore_page(exploration.explored, exploration.title))
        if asked == "state":
            return _json(exploration.state())
        if asked == "answer":
            given = parse_qs(parts.query)
            family, limits = (_loads(given.get(x, [""])[0]) for x in ("family", "limits"))
            return _json(exploration.answer(family, limits))
        folder, _, name = asked.partition("/")
        if folder != "design":
            raise LookupError
        design = exploration.design(name.removesuffix(".json"))
        check_figures(design, "explored")
        if name.endswith(".json"):
            return _json(design.to_dict())
        return _html(page(page_title(design), tabs_of(design)))

    def _posted(self, place: str) -> Reply:
        if place not in ("solve", "cancel"):
            raise LookupError
        own = {f"http://{host}" for host in self.server.hosts}
        if self.headers.get("Origin") not in own or self.headers.get_content_type() != (
            "application/json"
        ):
            raise SpecError("only this page may ask for that")
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > MOST_BODY:
            self.close_connection = True
            raise SpecError(f"a question of at most {MOST_BODY} bytes, please")
        content = _loads(self.rfile.read(int(size)).decode("utf-8", "replace"))
        if not isinstance(content, dict):
            raise SpecError("not a question")
        if place == "cancel":
            return _json({"cancelled": self.server.exploration.background.cancel()})
        self.server.exploration.solve(content.get("family"), content.get("limits"))
        return _json({"started": True})

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if status is not HTTPStatus.OK:  # the rest of what was sent may be unread
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address holds the token."""


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise SpecError("not JSON") from None


def _json(content: Any) -> Reply:
    return "application/json", json.dumps(content, ensure_ascii=True).encode()


def _html(text: str) -> Reply:
    return "text/html; charset=utf-8", text.encode()


def title_of(explored: Explored) -> str:
    """What is explored."""
    first = explored.families[0].problem
    names = dict.fromkeys(family.problem.network.name for family in explored.families)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"Explore {METRIC_UNITS[first.objective].label} of {first.network.name}{more}"
