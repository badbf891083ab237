"""Radio physics and decisions of phase-coherent distributed MIMO ISAC: arrays in, arrays out.

Nothing here knows a clock, a file or a global random number generator. Units are SI and radians.
"""
