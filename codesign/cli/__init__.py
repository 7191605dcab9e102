"""The command line: options read, tasks called, answers printed.

Enters: words of a shell.
Leaves: the answer on standard output, notes and progress on standard error, an exit code.
Must not be imported: the library works without it. Until a command runs, only click, the standard
library and the words of ``problem`` are loaded, so that ``--help`` is immediate.
"""
