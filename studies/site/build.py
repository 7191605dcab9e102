"""The documentation site: pages laid out from what the repository says already, then Sphinx.

Nothing is written here twice: the pages are the README files, the topics of ``codesign help``, the
docstrings of the public names, the help of every command, the tutorial's notebooks (which are run)
and the pictures of the studies. A warning of Sphinx is an error.

    python studies/site/build.py [--out FOLDER]

The site is ``FOLDER/html``, by default ``build/site/html``, and needs no network.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

from reference import api_pages, commands_page
from terminal_page import to_markdown

import codesign
from codesign.cli.app import program
from codesign.cli.help import PAGES, QUESTIONS, topics

SITE = Path(__file__).resolve().parent
ROOT = SITE.parents[1]
NOTEBOOKS = [f"studies/tutorial/{x}" for x in ("first_design", "trade_off", "your_own")]
TEXTS = ("README.md", "CHANGELOG.md", "models/README.md", "tests/README.md", "studies/README.md")
OURS = ".codesign-site"  # a file by which a folder is known whose pages may be written again
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|#)([^)\s]+)\)")
HELP = re.compile(r"`?\bcodesign\s+help\s+([a-z][\w-]*)`?")
NAMES = "|".join(codesign.__all__)
COMMAND = re.compile(rf"(?<!`)\bcodesign ({'|'.join(sorted({*program.commands} - {'help'}))})\b")


def main() -> int:
    """Lay out the pages, then have Sphinx make the site."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/site"))
    given = parser.parse_args()
    pages, html = given.out / "pages", given.out / "html"
    for folder in filter(Path.exists, (pages, html)):
        if not (given.out / OURS).exists():
            parser.error(f"{folder} is not of an earlier site; say another --out")
        shutil.rmtree(folder)
    write(given.out / OURS, "")
    lay_out(pages)
    from sphinx.cmd.build import build_main

    return build_main(["-W", "--keep-going", "-q", "-E", "-c", str(SITE), str(pages), str(html)])


def lay_out(pages: Path) -> None:
    """Write every page below a folder, under the paths of the repository."""
    for text in [*TEXTS, *(str(x.relative_to(ROOT)) for x in study_texts())]:
        source, place = ROOT / text, pages / text
        write(place, with_files(source.read_text("utf-8"), source, place))
    (pages / "README.md").rename(pages / "index.md")
    for notebook in NOTEBOOKS:
        copy(ROOT / f"{notebook}.ipynb", pages / f"{notebook}.ipynb")
    for topic, about in topics().items():
        text = to_markdown((PAGES / f"{topic}.md").read_text("utf-8"), with_links)
        said = f"*In a terminal:* `codesign help {topic}`"
        write(pages / "help" / f"{topic}.md", f"# {capital(about)}\n\n{said}\n\n{text}")
    write(pages / "commands.md", commands_page())
    for name, text in api_pages(with_links).items():
        write(pages / "api" / f"{name}.md", text)
    write(pages / "gallery.md", gallery())
    contents(pages)


def study_texts() -> list[Path]:
    """The README of every study."""
    return sorted((ROOT / "studies").glob("*/README.md"))


def with_files(text: str, source: Path, place: Path) -> str:
    """A README's text, what it links copied beside it; a folder has no page and is no link."""

    def linked(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        file = (source.parent / target).resolve()
        if file.is_dir():
            return words
        if file == ROOT / "README.md":
            return f"[{words}](/index.md)"
        if file.suffix != ".md":
            copy(file, place.parent / target)
        return f"{picture}[{words}]({target})"

    lines = LINK.sub(linked, text).splitlines()
    if source == ROOT / "README.md":
        lines = [with_topics(line) for line in lines]
    return "\n".join(line if line.startswith("    ") else with_pages(line) for line in lines) + "\n"


def with_topics(line: str) -> str:
    """A line of the front page, whose table of topics links them."""
    cell, bar, rest = line.partition(" |")
    if not (cell.startswith("| `") and {*re.findall(r"`([\w-]+)`", cell)} <= topics().keys()):
        return line
    return re.sub(r"`([\w-]+)`", r"[`\1`](/help/\1.md)", cell) + bar + rest


def with_pages(text: str) -> str:
    """Markdown in which topics of ``codesign help`` and public names in full are links."""
    named = rf"(?<!\[)`codesign\.({NAMES})`(?!\])"
    return re.sub(named, r"[\g<0>](/api/\1.md)", HELP.sub(topic_link, text))


def topic_link(found: re.Match[str]) -> str:
    """A link to a topic's page, where there is such a topic."""
    topic = found.group(1)
    return f"[`codesign help {topic}`](/help/{topic}.md)" if topic in topics() else found.group()


def with_links(text: str) -> str:
    """Prose of a help page or docstring, with links to topics, studies and public names."""
    text = COMMAND.sub(r"[`\g<0>`](/commands.md#codesign-\1)", HELP.sub(topic_link, text))
    text = re.sub(r"\b(models|studies)/README\.md", r"[\g<0>](/\g<0>)", text)
    for study in study_texts():
        folder = f"studies/{study.parent.name}"
        name = folder.replace("_", r"\\?_")  # prose has it as \_
        text = re.sub(rf"\b{name}\b(?!/)", rf"[\g<0>](/{folder}/README.md)", text)
    return re.sub(rf"(?<!\[)`(?:codesign\.)?({NAMES})(\.\w+)?`(?!\])", r"[\g<0>](/api/\1.md)", text)


def gallery() -> str:
    """Every picture of the studies, in the words in which its study shows it."""
    parts = ["# Gallery", ""]
    for readme in study_texts():
        text = readme.read_text("utf-8")
        shown = {path: words for _, words, path in LINK.findall(text) if path.endswith(".png")}
        if not shown:
            continue
        folder = f"/studies/{readme.parent.name}"
        parts += [f"## [{text.splitlines()[0].removeprefix('# ')}]({folder}/README.md)", ""]
        parts += ["`````{container} gallery"]
        for path, words in shown.items():
            words = words if " " in words else f"Figure {words}"
            parts += [f"```{{figure}} {folder}/{path}", f":alt: {words}", "", words, "```"]
        parts += ["`````", ""]
    return "\n".join(parts)


def contents(pages: Path) -> None:
    """The tables of contents, of the front page and of the studies."""
    parts = {"First steps": list(NOTEBOOKS)}
    parts |= {question: [f"help/{x}" for x in answer] for question, answer in QUESTIONS.items()}
    parts["Reference"] = ["commands", "api/index", "models/README"]
    parts["What has been measured"] = ["studies/README", "gallery", "tests/README", "CHANGELOG"]
    add(pages / "index.md", "".join(toctree(listed, words) for words, listed in parts.items()))
    studies = [f"{x.parent.name}/README" for x in study_texts()]
    add(pages / "studies" / "README.md", toctree(studies))


def toctree(listed: list[str], words: str = "") -> str:
    """A table of contents that only the navigation shows."""
    caption = [f":caption: {words}"] if words else []
    return "\n".join(["", "```{toctree}", ":hidden:", *caption, "", *listed, "```", ""])


def capital(text: str) -> str:
    """With its first letter large."""
    return text[0].upper() + text[1:]


def write(place: Path, text: str) -> None:
    """A page, in a folder made for it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")


def add(place: Path, text: str) -> None:
    """Text at the end of a page."""
    place.write_text(place.read_text("utf-8") + text, encoding="utf-8")


def copy(file: Path, place: Path) -> None:
    """A file as it is, in a folder made for it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)


if __name__ == "__main__":
    sys.exit(main())
