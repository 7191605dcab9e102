"""Studies: a grid of problems, each solved once, all results in one file.

Enters: a grid in Python or TOML, in the words of ``problem.words``; a store of earlier results.
Leaves: a store (SQLite) with one answer for each question, and its table, text and picture.
Must not import: the command line, which makes studies of its options, not the other way round.
"""

from codesign.study.executors import Processes, Serial
from codesign.study.scheduler import Tally
from codesign.study.study import Study, load_design, results

__all__ = ["Processes", "Serial", "Study", "Tally", "load_design", "results"]
