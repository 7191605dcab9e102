"""Files of results and certificates with something wrong: refused, found wrong, or as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY
from fuzzing import altered, answered, as_json, cases, check_line, damaged, told, tried
from hypothesis import strategies as st
from sound_files import texts

from codesign.checking import check_content
from codesign.errors import CodesignError
from codesign.results.load import load_result

RESULTS = ("design", "evaluation", "residents", "fused", "machine", "own mappings", "assignment")
PROVEN = {"design": "certificate", "machine": "certificate of machine"}


def wrong_file(data: Any, kind: str) -> bytes:
    """A file of a kind with some entries altered, or with damage to its text."""
    text = texts()[kind]
    if data.draw(st.integers(0, 4), "of the text") == 0:
        return damaged(data, text)
    return as_json(altered(data, json.loads(text))).encode()


@pytest.mark.parametrize("kind", RESULTS)
@cases(60, 1500)
def test_loaded(kind: str, number: int, tmp_path: Path) -> None:
    path = tmp_path / "given.json"

    def judge(data: Any) -> None:
        path.write_bytes(wrong_file(data, kind))
        found = answered(lambda: load_result(path))
        if found is not None:
            found.save(path)
            assert load_result(path).to_dict() == found.to_dict()

    tried(number, judge)


@pytest.mark.parametrize("kind", RESULTS)
@cases(30, 1000)
def test_told(kind: str, number: int, tmp_path: Path) -> None:
    """Whatever a file says: it is shown, checked and used, or refused."""
    path, network = tmp_path / "given.json", tmp_path / "tiny.toml"
    network.write_text(TINY)

    def judge(data: Any) -> None:
        path.write_bytes(wrong_file(data, kind))
        told("show", str(path))
        told("check", str(path))
        told("evaluate", str(network), "--accelerator", "eyeriss", "--widths", str(path), "--json")

    tried(number, judge)


@cases(30, 1500)
def test_comparisons(number: int, tmp_path: Path) -> None:
    """Whatever a comparison's file says: it is shown and drawn, or refused."""
    path, picture = tmp_path / "given.json", tmp_path / "out.svg"

    def judge(data: Any) -> None:
        path.write_bytes(wrong_file(data, "comparison"))
        told("show", str(path))
        if data.draw(st.integers(0, 5), "drawn") == 0:
            told("plot", str(path), "--out", str(picture))

    tried(number, judge)


@pytest.mark.parametrize("kind", RESULTS)
@cases(20, 700)
def test_handed_on(kind: str, number: int, tmp_path: Path) -> None:
    """Whatever a result's file says: it is compared and exported, or refused."""
    path, sound = tmp_path / "given.json", tmp_path / "sound.json"
    sound.write_text(texts()["design"])

    def judge(data: Any) -> None:
        path.write_bytes(wrong_file(data, kind))
        told("compare", str(path), str(sound))
        told("export", "sheet", str(path))
        told("export", "csv", str(path), "--out", str(tmp_path / "tables"))
        told("export", "brevitas", str(path), "--out", str(tmp_path / "bits"))

    tried(number, judge)


@pytest.mark.parametrize("kind", PROVEN)
@cases(30, 1000)
def test_checked(kind: str, number: int) -> None:
    """The check finds what is wrong or holds; and what holds says what it did before."""
    design, certificate = json.loads(texts()[kind]), json.loads(texts()[PROVEN[kind]])

    def judge(data: Any) -> None:
        content = json.loads(texts()[data.draw(st.sampled_from(RESULTS))])
        content = altered(data, content)
        report = answered(lambda: check_content(content, "given.json"))
        for finding in report.findings if report else ():
            check_line(str(finding))
        claim = altered(data, json.loads(texts()[PROVEN[kind]]))
        deep = answered(lambda: check_content(design, "design.json", claim, "certificate"))
        if deep and deep.proven:
            assert {float(claim["bound"])} == {float(certificate["bound"])} or float(
                claim["bound"]
            ) <= design["proof"]["objective"]
        for finding in deep.findings if deep else ():
            check_line(str(finding))

    for each in RESULTS:
        assert check_content(json.loads(texts()[each]), "given.json").holds
    assert check_content(design, "given.json", certificate).proven
    tried(number, judge)


@pytest.mark.parametrize("kind", PROVEN)
@cases(10, 400)
def test_proven(kind: str, number: int, tmp_path: Path) -> None:
    design, path = tmp_path / "design.json", tmp_path / "given.certificate"
    design.write_text(texts()[kind])

    def judge(data: Any) -> None:
        path.write_bytes(wrong_file(data, PROVEN[kind]))
        told("check", str(design), "--deep", "--certificate", str(path))

    tried(number, judge)


@cases(10, 100)
def test_explained(number: int, tmp_path: Path) -> None:
    """A file that is no design that holds is refused before anything is solved."""
    path = tmp_path / "given.json"

    def judge(data: Any) -> None:
        path.write_bytes(wrong_file(data, data.draw(st.sampled_from(RESULTS), "kind")))
        told("explain", str(path), "--step", data.draw(st.sampled_from(["0.5", "1e-6", "0.99"])))

    tried(number, judge)


def test_what_is_refused_is_an_error_of_ours() -> None:
    with pytest.raises(CodesignError):
        check_content({}, "given.json")
