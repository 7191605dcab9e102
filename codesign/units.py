"""Factors between the units people write and the units the model computes in.

Inside: bits, bits/s, seconds, hertz, µm². At the door: Mbit, Gbit/s, ms, MHz, mm².
"""

UM2_PER_MM2 = 1e6
BITS_PER_KBIT = 1e3
BITS_PER_MBIT = 1e6
BITS_PER_GBIT = 1e9
BOPS_PER_GBOP = 1e9
OPS_PER_MAC = 2  # a product and a sum, as GOPS and TOPS are usually counted
OPS_PER_GOP = 1e9
OPS_PER_TOP = 1e12
HZ_PER_MHZ = 1e6
MS_PER_S = 1e3
