"""No input is run: files are TOML, CSV, JSON, ONNX or SQLite, and read as data."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from sources import imports, sources

# What runs code that it is handed, or may: as a name, as an attribute, as a module.
RUNS_CODE = {"eval", "exec", "compile", "execfile", "__import__", "import_module", "system"}
RUNS_CODE |= {"popen", "literal_eval", "unpickle", "read_pickle", "unsafe_load", "full_load"}
CODE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
CODE_MODULES |= {"torch", "runpy", "code", "codeop", "importlib", "ctypes", "subprocess", "jinja2"}
NO_CODE = {"importlib.resources", "importlib.metadata"}  # shipped files, versions
# What comes from no file: work between a run's own processes, a table of our own names, what a
# solver's failure raises, and what flushes the standard output of C. Or holds no code:
# arrays alone, for pickles are refused.
OWN_WORK = {
    "study.executors": {"pickle"},
    "exports.runtime": {"np.load", "allow_pickle"},
    "": {"importlib.import_module", "import_module"},
    "specs.seam": {"importlib.import_module", "import_module"},
    "search.milp.solvers": {"subprocess.SubprocessError"},
    "search.milp.highs": {"ctypes"},
}


@pytest.mark.parametrize("module", sorted(sources()))
def test_no_input_is_run_as_code(module: str) -> None:
    """Files are TOML, CSV, JSON, ONNX or SQLite, and read as data."""
    assert {*runs_code(sources()[module])} == OWN_WORK.get(module, set())


def runs_code(tree: ast.Module) -> Iterator[str]:
    """Every place in a module that could run what it is handed."""
    for target, _ in imports(tree):
        if target.split(".")[0] in CODE_MODULES and target.rpartition(".")[0] not in NO_CODE:
            yield target
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in RUNS_CODE:
            yield node.id
        elif isinstance(node, ast.Attribute) and node.attr in RUNS_CODE:
            if ast.unparse(node) != "re.compile":
                yield ast.unparse(node)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("np.load", "numpy.load"):
            yield ast.unparse(node)
        elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell"):
            yield str(node.arg)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "onnx.load",
            "onnx.load_model",
        ):
            given = {str(key.arg): ast.unparse(key.value) for key in node.keywords}
            if given.get("format") != "'protobuf'" or given.get("load_external_data") != "False":
                yield ast.unparse(node)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import yaml",
        "import torch",
        "from importlib import import_module",
        "eval(text)",
        "exec(text)",
        "builtins.eval(text)",
        "pd.read_pickle(path)",
        "df.eval(text)",
        "pd.eval(text)",
        "np.load(path)",
        "load(path, allow_pickle=True)",
        "os.system(text)",
        "run(text, shell=True)",
        "onnx.load(path)",
        "def f():\n    import pickle",
    ],
)
def test_code_that_is_run_would_be_found(line: str) -> None:
    assert list(runs_code(ast.parse(line)))
    assert not list(runs_code(ast.parse("import re, json\nre.compile('x')\njson.loads(text)")))
