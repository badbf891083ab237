"""SimPy processes that exchange time slots: who does what, and when."""
