"""What is given: networks, technologies, memories and accelerators, as checked descriptions.

Enters: TOML files of ``models/`` or the user's, ONNX models, tables of measured areas.
Leaves: frozen dataclasses (`Network`, `Technology`, `Accelerator`, …), and TOML to write them.
Must not import: anything of the package but ``errors``, ``files``, ``units`` and ``arrays``.
"""
