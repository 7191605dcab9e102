"""``codesign explore``: known designs behind sliders, in a browser, by a server for this machine.

Enters: a front with its designs, or a study's store; limits that a slider asks about.
Leaves: pages and answers on 127.0.0.1; what is found in the store, if that was given.
Must not be imported by anything but its command.
"""
