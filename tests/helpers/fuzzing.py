"""Bad input by the thousand: what may be wrong with a file or a flag, and what must hold even so.

Strategies alter content (a value by its kind, a key, a kind) or damage text and bytes. Judges run
the library or the command line on the outcome: only the project's own exceptions, each in one
line; the documented exit codes; an answer in time; files whole or absent.
"""

from __future__ import annotations

import csv
import io
import json
import math
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codesign.cli.app import main
from codesign.cli.terminal import BAD_INPUT, INFEASIBLE, NO_ANSWER, PROVEN, UNPROVEN, WRONG
from codesign.errors import CodesignError
from codesign.stopping import INTERRUPTED

PATIENCE_S = 60.0  # of one case
MOST_MESSAGE = 5000  # characters

EVIL = "\x1b[31m[bold]$x_$[link=file:///x]\n\t\r\x00\x07\x9b\u202e{'"  # no name, but it may be one
NAMES = ("", " ", "a", "conv1", "\x1b[2J", "[bold]x[/bold]", "[/]", "$\\frac{1}$", "$", "%s", "{}")
NAMES += ("a\nb", "\x00", "\ud800", "\u202e", "=1+1", "..", "é" * 300, "x" * 100_000, EVIL)
PATHS = ("../../x", "~", "~root/x", "C:\\x.toml", "/", "/dev/zero", "no/such.toml", ".", "-", "--")
WHOLE = (0, -1, 1, 2, 3, 8, 32, 33, 1000, 65536, 65537, 10**9, 10**9 + 1, 2**31, 2**53 + 1)
WHOLE += (2**62, 2**63, 2**64, 10**18, 10**30, 10**31, -(10**30), 10**400, 10**4000)
REAL = (0.0, -0.0, 0.5, 1.5, -1.5, 5e-324, 1e-308, 1e-30, 1e15, 1e16, 1e30, 1.1e30, 1e308)
REAL += (math.nan, math.inf, -math.inf)
SCALARS = st.one_of(
    st.sampled_from(WHOLE),
    st.sampled_from(REAL),
    st.sampled_from([None, True, False]),
    st.sampled_from([*NAMES, *PATHS]),
    st.integers(-5, 70),
    st.floats(),
    st.text(max_size=8),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


# --- how many ------------------------------------------------------------------------------------


def cases(few: int, many: int) -> pytest.MarkDecorator:
    """A test with this many cases, and with many more in the long run."""
    return pytest.mark.parametrize(
        "number", [few, pytest.param(many, marks=[pytest.mark.long, pytest.mark.slow])]
    )


def tried(number: int, judge: Callable[[Any], None]) -> None:
    """Run a judge on what it draws, this many times; the same cases each time where they are few.

    A judge takes a `hypothesis.strategies.data` object.
    """
    run = settings(
        max_examples=number,
        deadline=None,
        database=None,
        derandomize=number < 1000,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run(given(st.data())(judge))()


# --- altered content -----------------------------------------------------------------------------


def places(content: Any) -> list[tuple[Any, Any]]:
    """Every entry of nested tables and lists: what holds it, and its key."""
    found: list[tuple[Any, Any]] = []
    pending = [content]
    while pending:
        entry = pending.pop()
        keys = [*entry] if isinstance(entry, dict) else range(len(entry))
        found += [(entry, key) for key in keys]
        pending += [entry[key] for key in keys if isinstance(entry[key], dict | list)]
    return found


def altered(data: Any, content: Any, most: int = 3) -> Any:
    """Change up to ``most`` entries of some content in place, each in one way; give it back."""
    for _ in range(data.draw(st.integers(1, most), "alterations")):
        known = places(content)
        if not known:
            return content
        holder, key = known[data.draw(st.integers(0, len(known) - 1), "place")]
        _alter(data, holder, key)
    return content


def _alter(data: Any, holder: Any, key: Any) -> None:
    value = holder[key]
    ways = ["kin", "kin", "replace", "drop", "copy", "rename", "wrap"]
    match data.draw(st.sampled_from(ways), "way"):
        case "kin":
            holder[key] = data.draw(_kin(value), "kin")
        case "replace":
            holder[key] = data.draw(ANYTHING, "other")
        case "drop":
            del holder[key]
        case "copy" if isinstance(holder, list):
            holder.append(value)
        case "rename" | "copy" if isinstance(holder, dict):
            near = [str(key)[:-1], f"{key}s", "name", "K", "layers", "1", "٣", "²"]
            holder[data.draw(st.sampled_from([*near, *NAMES]), "key")] = value
        case _:
            holder[key] = data.draw(st.sampled_from([[value], {"x": value}, [value] * 3]))


def _kin(value: Any) -> st.SearchStrategy[Any]:
    """Other values of the same kind, near or far."""
    if isinstance(value, bool):
        return st.just(not value)
    if isinstance(value, int):
        near = [value + 1, value - 1, 2 * value, value // 2, -value, f"{value}"]
        return st.sampled_from(near) | st.sampled_from(WHOLE) | st.integers(1, 40)
    if isinstance(value, float):
        near = [math.nextafter(value, 0), 2 * value, value / 2, -value, value * 1e-7]
        return st.sampled_from(near) | st.sampled_from(REAL) | st.floats()
    if isinstance(value, str):
        near = [value[:-1], f"{value} ", value.upper(), value + "\x1b[1m"]
        return st.sampled_from(near) | st.sampled_from(NAMES) | st.text(max_size=6)
    if isinstance(value, list):
        return st.sampled_from([value[::-1], value + value, value[:1], []])
    if isinstance(value, dict):
        return st.sampled_from([dict(reversed(value.items())), {}])
    return SCALARS


def damaged(data: Any, text: str | bytes) -> bytes:
    """Bytes of a text or file with a part cut off, lost, said twice, replaced or flipped."""
    found = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    for _ in range(data.draw(st.integers(1, 3), "damages")):
        start = data.draw(st.integers(0, len(found)), "start")
        end = min(len(found), start + data.draw(st.integers(0, 40), "length"))
        odd = st.sampled_from([x.encode("utf-8", "surrogatepass") for x in (*NAMES[:-2], EVIL)])
        signs = st.sampled_from(
            [b"[", b"{", b'"', b"'", b",", b"=", b"#", b"\n", b"\xff", b"9" * 9]
        )
        match data.draw(st.sampled_from(["cut", "lose", "twice", "put", "flip"]), "damage"):
            case "cut":
                found = found[:start]
            case "lose":
                found = found[:start] + found[end:]
            case "twice":
                found = found[:end] + found[start:]
            case "put":
                put = data.draw(st.one_of(signs, odd, st.binary(max_size=4)), "put")
                found = found[:start] + put + found[end:]
            case _:
                flipped = bytes(
                    x ^ data.draw(st.integers(1, 255), "flip") for x in found[start:end][:3]
                )
                found = found[:start] + flipped + found[start + len(flipped) :]
    return found


# --- content as text -----------------------------------------------------------------------------


def as_toml(content: dict[str, Any]) -> str:
    """Content as TOML, whatever it holds; what TOML has no word for is an empty text."""
    return "".join(f"{_text(str(key))} = {_toml(value)}\n" for key, value in content.items())


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value) if not isinstance(value, int) else str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(str(k))} = {_toml(x)}" for k, x in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return _text("" if value is None else str(value))


def _text(value: str) -> str:
    plain = value.encode("utf-8", "replace").decode()
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")


def as_json(content: Any) -> str:
    """Content as JSON, not-a-number and lone surrogates included."""
    return json.dumps(content)


# --- what must hold ------------------------------------------------------------------------------


class Hangs(BaseException):
    """Raised where a case takes too long."""


@contextmanager
def in_time(limit_s: float = PATIENCE_S) -> Iterator[None]:
    """Fail where what is inside takes too long."""

    def stop(*_: object) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    except Hangs:
        raise AssertionError(f"no answer in {limit_s:g} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def answered(call: Callable[[], Any]) -> Any:
    """What a call returns, or None where it refuses as it should."""
    with in_time():
        try:
            return call()
        except CodesignError as error:
            check_line(str(error))
            return None


def check_line(message: str) -> None:
    """A message is one short line that a terminal shows as it is."""
    assert message.strip()
    assert len(message) <= MOST_MESSAGE, f"{len(message)} characters: {message[:300]}"
    unprintable = {c for c in message if not c.isprintable()}
    assert not unprintable, f"{unprintable!r} in {message[:300]!r}"


class Told(NamedTuple):
    """What a command answers."""

    code: int
    out: str
    err: str


def told(*arguments: str, limit_s: float = PATIENCE_S, interrupted: bool = False) -> Told:
    """Run a command as a terminal would, and judge how it ends: perhaps by Ctrl-C."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors=x) for x in ("strict", "replace"))
    with in_time(limit_s), redirect_stdout(out), redirect_stderr(err):
        code = main(list(arguments))
        sys.stdout.flush()
    shown = [file.buffer.getvalue().decode() for file in (out, err)]  # type: ignore[attr-defined]
    answer = Told(code, *shown)
    check_answer(answer, arguments[0] if arguments else "", interrupted)
    return answer


def check_answer(answer: Told, command: str = "", interrupted: bool = False) -> None:
    """An exit code that is documented, one line for an error, nothing a terminal would obey."""
    codes = {PROVEN, BAD_INPUT, INFEASIBLE, UNPROVEN, NO_ANSWER}
    codes |= {INTERRUPTED} if interrupted else set()
    assert answer.code in codes | ({WRONG} if command == "check" else set()), answer
    lines = answer.err.split("\n")
    assert lines.pop() == "", "no end of line"
    if answer.code == INFEASIBLE and "" in lines:  # below the line a table, for people
        for line in lines[lines.index("") :]:
            assert line.isprintable(), line
        lines = lines[: lines.index("")]
    faults = [line for line in lines if not line.startswith(SAYS_MORE)]
    failed = answer.code in (BAD_INPUT, INFEASIBLE, NO_ANSWER, INTERRUPTED)
    assert len(faults) == (1 if failed else 0), answer
    for line in lines:
        assert line.startswith("codesign: "), line
        check_line(line)
    for line in answer.out.split("\n"):
        assert line.isprintable(), f"{[c for c in line if not c.isprintable()]} in {line!r}"


SAYS_MORE = ("codesign: warning: ", "codesign: the certificate leaves")


def check_whole(folder: Path, *names: str) -> None:
    """Of the files named, those that are there are whole; nothing else was left behind."""
    left = [path.name for path in folder.iterdir() if path.name.startswith(".codesign-")]
    assert left == []
    for name in names:
        path = folder / name
        if path.exists():
            READERS.get(path.suffix, bytes.decode)(path.read_bytes())


def _is_picture(content: bytes) -> None:
    ends = {b"\x89PNG": b"IEND\xaeB`\x82", b"%PDF": b"%%EOF\n", b"<?xm": b"</svg>\n"}
    assert content.endswith(ends[content[:4]])


def _is_table(content: bytes) -> None:
    rows = [*csv.reader(io.StringIO(content.decode(), newline=""), strict=True)]
    assert len({len(row) for row in rows}) == 1


READERS: dict[str, Callable[[bytes], object]] = {
    ".json": json.loads,
    ".certificate": json.loads,
    ".toml": lambda content: tomllib.loads(content.decode()),
    ".csv": _is_table,
    **dict.fromkeys((".png", ".pdf", ".svg"), _is_picture),
}
