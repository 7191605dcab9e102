"""What layers cost, alone and fused: cycles, tiles, DRAM traffic, silicon area, bit operations.

Enters: descriptions of ``specs``, bitwidths, array sides, SRAM capacities.
Leaves: arrays over many choices at once for the search, and one layer's or network's figures.
Must not import: files, solvers, or a room further on; nothing here knows what is searched for.
"""
