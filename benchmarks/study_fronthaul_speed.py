"""Messages a second over the fronthaul alone, against another checkout in one run.

    python -m benchmarks.study_fronthaul_speed --against ../before

A star of 12 access points that all send at the same times, without trace: "idle", where no message finds another at its
link; "busy", where sixteen at once do; and "chain", busy over 12 hops. With jitter, which the other checkout may lack,
each link delays every message at random. Figures are the best of some processes, which take turns, in process CPU time.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from benchmarks.studies import count, new_file, report, run_checkout

HERE = Path(__file__).resolve().parent.parent
CELL = """
import sys, time
from types import SimpleNamespace
from emulator import Fronthaul, Message, star, stripe
from emulator.kernel import Bell, Kernel
from emulator.randomness import Streams

load, burst, jitter_s, rounds = sys.argv[1], 1 if sys.argv[1] == "idle" else 16, float(sys.argv[2]), int(sys.argv[3])

class Parcel(Message):
    content_bits = 632  # 1000 bits with the header

names = tuple(f"ap-{i}" for i in range(12))
senders = names[-1:] * 12 if load == "chain" else names
graph = (stripe if load == "chain" else star)(names, rate_bit_s=1e9, latency_s=25e-6)
if jitter_s:
    for edge in graph.edges.values():
        edge["jitter_s"] = jitter_s
fronthaul, kernel, streams = Fronthaul(graph), Kernel(initial_time=0), Streams(1)
ranks = {name: i for i, name in enumerate([*(link.name for link in fronthaul.links.values()), *graph])}

class Bench:
    record = book = None
    now_ns = property(lambda self: kernel.now_ns)
    rank = staticmethod(ranks.__getitem__)
    generator = staticmethod(streams.generator)
    bell = staticmethod(lambda rank, ring: Bell(kernel, rank, ring))

fronthaul.start(Bench())
for name in graph:
    fronthaul.connect(name, lambda message: None)

bursts, done = iter(range(1, rounds // burst)), []
gap_ns = 1000 * burst * (12 if load == "chain" else 1)

def send(_):
    if next(bursts, None) is None:
        Bell(kernel, 0, done.append).set(kernel.now_ns + 10**9)
    else:
        every.set(kernel.now_ns + gap_ns)
    fronthaul.hold()
    for _ in range(burst):
        for name in senders:
            message = Parcel(name, "central")
            message.own = True
            fronthaul.send(message)
    fronthaul.let_go()

every = Bell(kernel, -1, send)
every.set(0)
start = time.process_time()
kernel.advance(done)
print(fronthaul.delivered / (time.process_time() - start))
"""


def rate(checkout: Path, load: str, jitter_s: float, rounds: int) -> float:
    """Return messages a second of a process with the code of a checkout."""
    return float(run_checkout(checkout, CELL, load, jitter_s, rounds).stdout)


def row(load: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the row of a load."""
    best = {"messages/s": 0.0, "with jitter": 0.0} | ({"before": 0.0} if options.against else {})
    for _ in range(options.repeats):
        best["messages/s"] = max(best["messages/s"], rate(HERE, load, 0.0, options.rounds))
        if options.against:
            best["before"] = max(best["before"], rate(options.against, load, 0.0, options.rounds))
        best["with jitter"] = max(best["with jitter"], rate(HERE, load, 1e-6, options.rounds))
    if options.against:
        best |= {
            f"ratio{way}": best[key] / best["before"]
            for way, key in (("", "messages/s"), (" with jitter", "with jitter"))
        }
    return {"load": load, **best}


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=count, default=4000, help="messages of a sender")
    parser.add_argument("--repeats", type=count, default=3, help="processes a cell")
    parser.add_argument("--against", type=lambda text: Path(text).resolve(), help="the top folder of another checkout")
    parser.add_argument("--out", type=new_file, help="write the table as JSON")
    options = parser.parse_args()
    started = time.perf_counter()
    rows = [row(load, options) for load in ("idle", "busy", "chain")]
    options.against = str(options.against) if options.against else None
    report(options, {"Fronthaul": rows}, started, "1")


if __name__ == "__main__":
    main()
