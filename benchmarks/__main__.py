"""Run all benchmarks: ``python -m benchmarks [--quick] [--out FILE] [--json]``, the same as ``dmimo bench``."""

import sys

from scenarios.commands.cli import main

sys.argv.insert(1, "bench")
main()
