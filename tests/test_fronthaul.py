"""The fronthaul against Lindley's recursion and conservation of messages."""

import math

import networkx as nx
import numpy as np
import pytest

from emulator.kernel import Bell, Kernel
from emulator.media.fronthaul import Fronthaul, ring, star, stripe, tree
from emulator.messages import HEADER_BITS, Message
from emulator.randomness import Streams


class Parcel(Message):
    """A message of any size."""

    def __init__(self, size_bits, source="ap-0", destination="central"):
        super().__init__(source=source, destination=destination)
        self.size_bits = size_bits

    @property
    def content_bits(self):
        return self.size_bits - HEADER_BITS


class Bench:
    """As much of an emulation as a fronthaul needs."""

    def __init__(self, fronthaul):
        self.kernel, self.record, self.book, self.streams = Kernel(initial_time=0), None, None, Streams(1)
        self.fronthaul, self.arrivals = fronthaul, []
        fronthaul.start(self)
        for name in fronthaul.graph:
            fronthaul.connect(name, lambda message: self.arrivals.append((self.now_ns, message)))

    @property
    def now_ns(self):
        return self.kernel.now_ns

    def generator(self, *address):
        return self.streams.generator(*address)

    def bell(self, rank, ring):
        return Bell(self.kernel, rank, ring)

    def rank(self, name):
        return 10 + sorted(link.name for link in self.fronthaul.links.values()).index(name)

    def at(self, time_ns, message):
        Bell(self.kernel, 0, lambda _: self.fronthaul.send(message)).set(time_ns)

    def run(self, until_ns=None):
        self.kernel.run(until_ns)
        return self.arrivals


def test_waiting_times_are_lindleys_to_the_nanosecond():
    """W_{n+1} = max(0, W_n + S_n - A_{n+1}) for random arrivals and sizes."""
    rng = np.random.default_rng(1)
    gaps = rng.integers(0, 4000, size=5000)
    sizes = rng.integers(HEADER_BITS, 3000, size=5000)
    rate, latency_ns = 1e9, 25_000
    bench = Bench(Fronthaul(star(("ap-0",), rate_bit_s=rate, latency_s=25e-6)))
    times = np.cumsum(gaps)
    for time_ns, size in zip(times, sizes, strict=True):
        bench.at(int(time_ns), Parcel(int(size)))
    arrivals = np.array([time_ns for time_ns, _ in bench.run()])
    wait, waits = 0, []
    for n in range(len(times)):
        if n:
            wait = max(0, wait + math.ceil(sizes[n - 1] * 1e9 / rate) - int(gaps[n]))
        waits.append(wait)
    np.testing.assert_array_equal(arrivals - times - latency_ns - sizes, waits)
    assert max(waits) > 0


def test_messages_on_a_stripe_are_stored_and_forwarded():
    bench = Bench(Fronthaul(stripe(("ap-0", "ap-1", "ap-2"), rate_bit_s=1e9, latency_s=1e-6)))
    bench.at(0, Parcel(1000, source="ap-2"))
    ((arrival_ns, _),) = bench.run()
    assert arrival_ns == 3 * (1000 + 1000)


def test_a_ring_takes_the_shorter_way():
    names = tuple(f"ap-{i}" for i in range(5))
    fronthaul = Fronthaul(ring(names, latency_s=1e-6))
    bench = Bench(fronthaul)
    bench.at(0, Parcel(1000, source="ap-4"))
    assert bench.run()[0][0] == 1000
    assert fronthaul.links["ap-4", "central"].bits == 1000


def test_a_tree_has_the_centre_at_its_root():
    graph = tree(tuple(f"ap-{i}" for i in range(6)))
    assert nx.shortest_path_length(graph, "ap-5", "central") == 2
    assert set(graph.successors("central")) == {"ap-0", "ap-1"}


def test_a_full_queue_drops_and_the_books_balance():
    fronthaul = Fronthaul(star(("ap-0",), rate_bit_s=1e6, latency_s=1e-3, queue_bits=2500))
    bench = Bench(fronthaul)
    for _ in range(4):
        bench.at(0, Parcel(1000))
    bench.run(until_ns=2_500_000)
    books = fronthaul.books()
    assert (books["messages_sent"], books["messages_delivered"], books["messages_dropped"]) == (4, 1, 2)
    assert books["messages_in_flight"] == 1
    link = books["links"]["ap-0->central"]
    assert link["bits"] == 1000
    assert link["utilisation"] == pytest.approx(2.0 / 2.5)


def test_losses_are_as_likely_as_the_link_says():
    fronthaul = Fronthaul(star(("ap-0",), rate_bit_s=1e9, loss_probability=0.2))
    bench = Bench(fronthaul)
    n = 4000
    for i in range(n):
        bench.at(i * 5000, Parcel(1000))
    bench.run()
    lost = fronthaul.books()["messages_dropped"]
    assert abs(lost - 0.2 * n) < 4 * (n * 0.2 * 0.8) ** 0.5
    assert lost + fronthaul.books()["messages_delivered"] == n


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("rate_bit_s", 0.0),
        ("rate_bit_s", -1.0),
        ("latency_s", math.nan),
        ("loss_probability", 1.5),
        ("queue_bits", "x"),
    ],
)
def test_bad_link_attributes_are_named(attribute, value):
    graph = star(("ap-0",))
    graph.edges["ap-0", "central"][attribute] = value
    with pytest.raises(ValueError, match=rf"ap-0->central: {attribute}"):
        Fronthaul(graph)


def test_a_graph_without_a_path_is_refused(small):
    graph = star(tuple(f"ap-{i}" for i in range(6)))
    graph.remove_edge("ap-3", "central")
    with pytest.raises(ValueError, match="ap-3 -> central"):
        small().build(fronthaul=graph, estimator=None).run(1)


@pytest.mark.parametrize("topology", ["star", "ring", "tree", "stripe"])
def test_every_topology_carries_a_cpi(small, topology):
    result = small({"fronthaul.topology": topology}).build(estimator=None).run(2)
    books = result.fronthaul
    assert [cpi.reports_fused for cpi in result.cpis] == [9, 9]
    total = books["messages_delivered"] + books["messages_dropped"] + books["messages_in_flight"]
    assert total == books["messages_sent"]


def test_a_graphml_file_is_a_topology(small, tmp_path):
    graph = star(tuple(f"ap-{i}" for i in range(6)))
    graph.edges["ap-1", "central"]["rate_bit_s"] = 1e5
    nx.write_graphml(graph, tmp_path / "site.graphml")
    scenario = small({"fronthaul.topology": str(tmp_path / "site.graphml")})
    result = scenario.build(estimator=None).run(2)
    slow, fast = (result.fronthaul["links"][f"ap-{i}->central"]["utilisation"] for i in (1, 0))
    assert slow > 10 * fast


def test_a_report_after_the_deadline_is_late_and_not_used(small):
    graph = star(tuple(f"ap-{i}" for i in range(6)), rate_bit_s=1e9, latency_s=25e-6)
    first = small().build(estimator=None).run(1).cpis[0]
    receiver = f"ap-{first.assignment.receivers[0]}"
    graph.edges[receiver, "central"]["latency_s"] = 1e-3
    result = small().build(estimator=None, fronthaul=graph).run(12)
    assert result.cpis[0].reports_fused == 6
    assert result.late_reports > 0


def test_a_fused_cpi_is_published_when_the_estimator_is_done(small):
    emulation = small({"estimator.latency_s": 2e-4, "fronthaul.deadline_s": 1e-4}).build(estimator=None)
    cpi = next(emulation.cpis(1))
    assert cpi.sensing_latency_s == pytest.approx(3 * 40e-6 + 1e-4 + 2e-4, rel=1e-12)
