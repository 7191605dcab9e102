"""The documentation site: built without a warning, whole, with no link that leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest
from sources import ROOT
from study_modules import imported

import codesign
from codesign.cli.app import program
from codesign.cli.help import PAGES, topics

SITE = ROOT / "studies" / "site"
NOTEBOOKS = sorted((ROOT / "studies" / "tutorial").glob("*.ipynb"))
NOT_INSTALLED = find_spec("myst_nb") is None or find_spec("furo") is None


class Page(HTMLParser):
    """What a page links, what of it can be linked, and what its article says."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors = {"", "top"}
        self.words: list[str] = []
        self.pictures: list[str] = []
        self._inside = 0
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[x] for x in ("id", "name") if x in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("img", "script", "link", "iframe"):
            self.loaded += [given[x] for x in ("src", "href") if x in given]
        if tag == "img":
            self.pictures.append(given.get("alt", ""))
        if tag == "br":
            self.words.append(" ")
        self._inside += tag == "article"

    def handle_endtag(self, tag: str) -> None:
        self._inside -= tag == "article"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.words.append(data)


def broken_links(html: Path) -> list[str]:
    """Links and files of all pages of a folder that lead nowhere."""
    pages = {file: Page(file) for file in html.rglob("*.html")}
    found = []
    for file, page in pages.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchors = pages[target].anchors if target in pages else {parts.fragment}
            if not target.is_file() or unquote(parts.fragment) not in anchors:
                found.append(f"{file.relative_to(html)}: {link}")
    return found


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """A run of the program that makes the site."""
    words = [sys.executable, str(SITE / "build.py"), "--out", str(folder)]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once, its notebooks executed."""
    if NOT_INSTALLED:
        pytest.skip("the site's libraries, in the extra 'docs', are not installed")
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return (folder / "html").resolve()


@pytest.mark.slow
def test_no_link_is_broken(html: Path) -> None:
    assert broken_links(html) == []


def test_a_broken_link_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#x">x</a><a href="#y">y</a><p id="z">')
    (tmp_path / "b.html").write_text('<a href="a.html#z">z</a><p id="w"><img src="c.png">')
    assert sorted(broken_links(tmp_path)) == ["a.html: #y", "a.html: b.html#x", "b.html: c.png"]


@pytest.mark.slow
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "mine.txt").write_text("kept")
    done = build(tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("pages is not of an earlier site; say another --out\n")
    assert (tmp_path / "pages" / "mine.txt").read_text() == "kept"


@pytest.mark.slow
def test_nothing_is_fetched_from_elsewhere(html: Path) -> None:
    loaded = {link for file in html.rglob("*.html") for link in Page(file).loaded}
    assert [link for link in loaded if urlsplit(link).netloc] == []


@pytest.mark.slow
def test_every_name_topic_and_command_has_its_place(html: Path) -> None:
    for name in codesign.__all__:
        place = "module-" * (name == "quality") + f"codesign.{name}"
        assert place in Page(html / "api" / f"{name}.html").anchors
    commands = Page(html / "commands.html").anchors
    assert {f"codesign-{name}" for name in program.commands} <= commands
    front = Page(html / "index.html")
    assert {f"help/{topic}.html" for topic in topics()} <= {*front.links}
    for readme in (ROOT / "studies").glob("*/README.md"):
        assert (html / readme.relative_to(ROOT)).with_suffix(".html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("topic", topics())
def test_a_help_page_keeps_its_words(html: Path, topic: str) -> None:
    written = (PAGES / f"{topic}.md").read_text("utf-8").partition("\n")[2]
    plain = re.sub(r"^(?:#+|-|\d+\.) ", "", written, flags=re.MULTILINE)
    said = "".join(Page(html / "help" / f"{topic}.html").words)
    title = topics()[topic]
    extra = Counter(words(f"{title[0].upper()}{title[1:]} In a terminal: codesign help {topic}"))
    assert Counter(words(said)) - extra == Counter(words(plain))


def words(text: str) -> list[str]:
    """Letters, digits and signs between spaces; marks of Markdown and of headings' links gone."""
    return re.findall(r"[^\W_]+|[⌈⌉⌊⌋·≤≥=+/()−]", text)


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_it_has_drawn(html: Path, notebook: Path) -> None:
    page = Page(html / "studies" / "tutorial" / f"{notebook.stem}.html")
    drawn = notebook.read_text("utf-8").count(".plot")
    assert len(page.pictures) == drawn > 0
    assert "Traceback" not in "".join(page.words)


@pytest.mark.slow
def test_every_picture_of_the_studies_is_shown_and_described(html: Path) -> None:
    shown = [*(ROOT / "studies").glob("*/expected/*.png")]
    seen = Page(html / "index.html").pictures + Page(html / "gallery.html").pictures
    assert len(seen) == len(shown) > 20
    assert all(seen)


@pytest.fixture(scope="module")
def terminal_page() -> Iterator[ModuleType]:
    with imported(SITE, ("terminal_page",)) as found:
        yield found["terminal_page"]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("    codesign solve resnet18 \\\n        --tie", "```bash\ncodesign"),
        ("    import codesign\n\n    codesign.solve(x)", "```python\nimport codesign\n\ncodesign."),
        ('    x.plot("a")\n    x.save("b")    # too', '```python\nx.plot("a")\nx'),
        ('    a = 3\n    b = ["x"]', "```toml\na"),
        ("    (1)  Σ x = 1   all\n    (2)  y ≤ 2", "```text\n(1)  Σ"),
        ("    energy = MACs + bits\n", "```text\n"),
        ("word   what it\n       means, --tie\nnext   _x_", "| `word` | what it means, `--tie` |"),
        (
            "    --long-option 3\n                    told\n    --short         x",
            "| `--short` | x |",
        ),
        ("With a*b and *x* [y] <z>", r"With a\*b and \*x\* \[y\] \<z>"),
        ("A sum\n+ 3 and\n- 4", "A sum\n\\+ 3 and\n\n- 4"),
        ("- one --tie\n  two\n- three", "- one `--tie`\n  two\n- three"),
        ("`--tie` and `a_b` but c_d", r"`--tie` and `a_b` but c\_d"),
    ],
)
def test_text_for_terminals_becomes_markdown(
    terminal_page: ModuleType, block: str, expected: str
) -> None:
    assert expected in terminal_page.to_markdown(f"# topic: about\n\n{block}\n", str)
