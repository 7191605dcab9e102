"""The search of the dataflow architecture: a space of pipelines in, the proven best one out.

``search`` goes over ranges of the interval; ``bounds`` rules out ranges, widths and options by a
Lagrangian; what is left is decided by MILPs (``formulation``, ``solve``). Must not import results
or tasks.
"""
