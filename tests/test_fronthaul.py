"""The fronthaul against Lindley's recursion and conservation of messages."""

import math
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest

from emulator.kernel import Bell, Kernel
from emulator.media import TOPOLOGIES
from emulator.media.fronthaul import Fronthaul
from emulator.media.topologies import ring, star, stripe, tree
from emulator.messages import HEADER_BITS, Message
from emulator.nodes.node import EmulationError
from emulator.randomness import Streams


class Parcel(Message):
    """A message of any size."""

    def __init__(self, size_bits, source="ap-0", destination="central"):
        super().__init__(source=source, destination=destination)
        self.size_bits = size_bits
        self.own = True  # so that the one that arrives is the one that was sent

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
        links = sorted(link.name for link in self.fronthaul.links.values())
        return 10 + [*links, *self.fronthaul.graph].index(name)

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


def test_messages_of_one_instant_arrive_link_by_link_and_count_as_events_each():
    """Whatever the order in which they were sent; one link's own in their order; one that takes no time in its turn."""
    graph = star(("ap-0", "ap-1", "ap-3"))
    graph.add_edge("ap-2", "ap-0")  # of rank after ap-0->central, before ap-3->central
    graph.add_edge("central", "ap-2")
    bench = Bench(Fronthaul(graph))
    first, second = Parcel(1000, source="ap-1"), Parcel(1000, source="ap-1")
    sent = [Parcel(1000, source="ap-3"), first, Parcel(1000, source="ap-2"), second, Parcel(1000, source="ap-0")]
    Bell(bench.kernel, 0, lambda _: [bench.fronthaul.send(message) for message in sent]).set(7)
    arrived = bench.run()
    assert {time_ns for time_ns, _ in arrived} == {7}
    assert [message.source for _, message in arrived] == ["ap-0", "ap-1", "ap-1", "ap-2", "ap-3"]
    assert [message for _, message in arrived[1:3]] == [first, second]
    assert bench.kernel.served == 1 + 6, "the bell, five messages, and one that was forwarded"


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
    with pytest.raises(EmulationError, match="ap-3 -> central"):
        small().build(fronthaul=graph, estimator=None).run(1)


@pytest.mark.parametrize("topology", TOPOLOGIES)
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
    """The last record, of 1408 bits, is the last message: it comes 1.408 + 25 us after the CPI."""
    emulation = small({"estimator.latency_s": 2e-4, "fronthaul.deadline_s": 1e-4}).build(estimator=None)
    cpi = next(emulation.cpis(1))
    assert cpi.sensing_latency_s == pytest.approx(3 * 40e-6 + 26.408e-6 + 2e-4, rel=1e-12)


# -- links that change while messages are under way -------------------------------------------------------------------


def chain(**attributes):
    """A bench with one AP, and the edge from it to the centre."""
    graph = star(("ap-0",), **attributes)
    return Bench(Fronthaul(graph)), graph.edges["ap-0", "central"]


def change(bench, time_ns, edge, **attributes):
    """Let an edge say something else from a time on, before what is sent then."""
    Bell(bench.kernel, -1, lambda _: edge.update(attributes)).set(time_ns)


def test_a_message_travels_for_the_latency_that_was_read_when_it_entered():
    """One that enters after the latency was shortened overtakes, and each is handed over at its own time."""
    bench, edge = chain(rate_bit_s=1e9, latency_s=1e-3)
    slow, quick, later = (Parcel(size) for size in (1000, 2000, 3000))
    bench.at(0, slow)
    change(bench, 5000, edge, latency_s=1e-6)
    bench.at(5000, quick)
    change(bench, 100_000, edge, latency_s=2e-3)
    bench.at(100_000, later)
    assert bench.run() == [(5000 + 2000 + 1000, quick), (1000 + 10**6, slow), (100_000 + 3000 + 2 * 10**6, later)]


def test_messages_that_arrive_at_one_instant_come_in_the_order_of_entering():
    bench, edge = chain(rate_bit_s=1e9, latency_s=3e-6)
    parcels = [Parcel(1000) for _ in range(4)]
    for parcel, time_ns, latency_s in zip(parcels, (0, 1000, 2000, 3000), (4e-6, 3e-6, 2e-6, 1e-6), strict=True):
        change(bench, time_ns, edge, latency_s=latency_s)
        bench.at(time_ns, parcel)
    assert bench.run() == [(5000, parcel) for parcel in parcels]


def test_a_rate_that_changes_holds_for_what_enters_from_then_on():
    bench, edge = chain(rate_bit_s=1e6)
    bench.at(0, Parcel(1000))
    change(bench, 1, edge, rate_bit_s=1e9)
    bench.at(1, Parcel(1000))
    assert [time_ns for time_ns, _ in bench.run()] == [10**6, 10**6 + 1000]


@pytest.mark.parametrize("how", ["removed", "rate 0"])
def test_a_link_that_is_down_loses_what_would_enter_or_leave_it(how):
    bench, edge = chain(rate_bit_s=1e9, latency_s=5e-6)
    graph = bench.fronthaul.graph
    fates = []

    class Notes:
        def delivered(self, messages, now_ns):
            fates.extend((message.sequence, "delivered") for message in messages)

        def dropped(self, message, link, why):
            fates.append((message.sequence, why, link))

    bench.fronthaul.watcher = Notes()

    def down(_):
        graph.remove_edge("ap-0", "central") if how == "removed" else edge.update(rate_bit_s=0)

    def up(_):
        graph.add_edge("ap-0", "central", rate_bit_s=1e9, latency_s=5e-6)

    Bell(bench.kernel, -1, down).set(20_000)
    Bell(bench.kernel, -1, up).set(40_000)
    for time_ns in (0, 18_000, 30_000, 50_000):  # arrives, on the cable when it is cut, cut, arrives
        bench.at(time_ns, Parcel(1000))
    assert [time_ns for time_ns, _ in bench.run()] == [6000, 56_000]
    lost = [(1, "link down", "ap-0->central"), (2, "no route", "ap-0")]  # the first one shows that the cable is cut
    assert fates == [(0, "delivered"), *lost, (3, "delivered")]
    books = bench.fronthaul.books()
    assert (books["messages_dropped"], books["messages_without_route"]) == (2, 1)
    assert books["links"]["ap-0->central"]["lost"] == {"link down": 1}


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("rate_bit_s", math.nan), ("rate_bit_s", -1e9), ("rate_bit_s", "1e9"), ("rate_bit_s", 1e-300),
     ("rate_bit_s", True), ("latency_s", math.nan), ("latency_s", -1e-6), ("latency_s", None), ("latency_s", math.inf),
     ("queue_bits", math.nan), ("queue_bits", -1), ("loss_probability", 2.0), ("loss_probability", math.nan),
     ("bandwidth", 1e6), ("rate_bit_s", -(10**400)), ("latency_s", 10**400), ("latency_s", np.array([1e-6, 2e-6])),
     ("rate_bit_s", 1j)],
)  # fmt: skip
def test_an_attribute_out_of_range_in_mid_run_is_an_error_that_names_link_and_time(attribute, value):
    bench, edge = chain(rate_bit_s=1e9)
    change(bench, 7000, edge, **{attribute: value})
    bench.at(0, Parcel(1000))
    bench.at(8000, Parcel(1000))
    with pytest.raises(EmulationError, match=rf"fronthaul link ap-0->central, t = 8000 ns: .*{attribute}"):
        bench.run()


def test_a_number_too_long_to_print_is_refused_like_others():
    with pytest.raises(ValueError, match="latency_s is inf"):
        Fronthaul(star(("ap-0",), latency_s=10**5000))


def test_attributes_that_are_removed_take_what_they_are_when_left_out():
    bench, edge = chain(rate_bit_s=1e9, latency_s=1e-3, queue_bits=1000, loss_probability=1.0)
    Bell(bench.kernel, -1, lambda _: edge.clear()).set(0)
    bench.at(0, Parcel(5000))
    assert [time_ns for time_ns, _ in bench.run()] == [0]


@pytest.mark.parametrize("number", [np.float64(1e9), np.float32(1e9), np.int64(10**9), Fraction(10**9), 10**400])
def test_attributes_may_be_any_real_numbers(number):
    bench, _ = chain(rate_bit_s=number, queue_bits=10**400)
    bench.at(0, Parcel(1000))
    assert bench.run()[0][0] == (1000 if number == 1e9 else 0)


@pytest.mark.parametrize("rate", [1e9, 3e11, 1e12, 1e13, 7.3e14])
def test_the_queue_counts_bits_at_any_rate(rate):
    """Four messages at once, room for two and a half: exactly two enter, however much less than 1 ns each takes."""
    fronthaul = Fronthaul(star(("ap-0",), rate_bit_s=rate, queue_bits=2500))
    bench = Bench(fronthaul)
    for _ in range(4):
        bench.at(0, Parcel(1000))
    assert len(bench.run()) == 2
    assert fronthaul.books()["messages_dropped"] == 2


def test_the_queue_counts_what_is_yet_to_be_sent_of_the_message_in_service():
    """At 1 bit a ns: 1500 ns after two messages of 1000 bits, 500 bits are left; a third fits into 1500, not 1499."""
    for queue_bits, arrived in ((1500, 3), (1499, 2)):
        bench, edge = chain(rate_bit_s=1e9, queue_bits=2000)
        bench.at(0, Parcel(1000))
        bench.at(0, Parcel(1000))
        change(bench, 1500, edge, queue_bits=queue_bits)
        bench.at(1500, Parcel(1000))
        assert len(bench.run()) == arrived


# -- paths ------------------------------------------------------------------------------------------------------------


def routed(edges, source="ap-0"):
    """Return the nodes on the way from a node to the centre over edges (a, b, latency in us), both ways."""
    graph = nx.DiGraph()
    for a, b, latency_us in edges:
        graph.add_edge(a, b, latency_s=latency_us * 1e-6)
        graph.add_edge(b, a, latency_s=latency_us * 1e-6)
    bench = Bench(Fronthaul(graph))
    bench.at(0, Parcel(1000, source=source))
    ((arrival_ns, _),) = bench.run()
    used = [link for link in bench.fronthaul.links.values() if link.carried]
    return {link.ends[0]: link.ends[1] for link in used}, arrival_ns


@pytest.mark.parametrize("shuffle", range(6))
def test_of_paths_of_equal_latency_the_one_with_fewest_hops_is_taken(shuffle):
    """0.1 + 0.2 us is 0.3 us, whatever floats say, and a detour over links without latency is one."""
    direct = [("ap-0", "sw-b", 0.3), ("sw-b", "central", 0.0)]
    longer = [("ap-0", "sw-a", 0.1), ("sw-a", "sw-c", 0.2), ("sw-c", "central", 0.0)]
    loops = [("ap-0", "sw-d", 0.0), ("sw-d", "sw-b", 0.3)]
    edges = [direct[0], *longer, *loops, direct[1]]
    np.random.default_rng(shuffle).shuffle(edges)
    assert routed([(a, b, float(us)) for a, b, us in edges]) == ({"ap-0": "sw-b", "sw-b": "central"}, 300)


@pytest.mark.parametrize("shuffle", range(6))
def test_of_equal_paths_the_first_by_name_is_taken(shuffle):
    edges = [(a, f"sw-{i}", 1.0) for i in (10, 2, 7) for a in ("ap-0", "central")]
    np.random.default_rng(shuffle).shuffle(edges)
    assert routed([(a, b, float(us)) for a, b, us in edges])[0] == {"ap-0": "sw-2", "sw-2": "central"}


@pytest.mark.parametrize("seed", range(20))
def test_paths_are_shortest_in_random_graphs(seed):
    """Against all simple paths, listed one by one: least latency, then fewest hops."""
    rng = np.random.default_rng(seed)
    nodes = ["central", *(f"ap-{i}" for i in range(6))]
    graph = nx.DiGraph(nx.relabel_nodes(nx.gnp_random_graph(7, 0.5, seed=seed), dict(enumerate(nodes))))
    nx.add_path(graph, nodes)
    nx.add_path(graph, nodes[::-1])
    for edge in graph.edges.values():
        edge["latency_s"] = 1e-7 * int(rng.integers(0, 4))
    fronthaul = Fronthaul(graph)
    for node in nodes[1:]:
        for inward, a, b in ((True, node, "central"), (False, "central", node)):
            path = [node]
            while path[-1] != "central":
                path.append(fronthaul.tree("central", inward=inward)[path[-1]])
            path = path if a == node else path[::-1]
            assert cost(graph, path) == min(cost(graph, other) for other in nx.all_simple_paths(graph, a, b))


def cost(graph, path):
    edges = list(nx.utils.pairwise(path))
    return sum(round(graph.edges[edge]["latency_s"] * 1e9) for edge in edges), len(edges)


# -- odd graphs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["sw-1²3", "sw-٣", "0", "", "ap--1", "sw-" + "9" * 5000, "Ⅷ", "sw-007", "é"], ids=range(9)
)
def test_any_text_may_name_a_node(small, name):
    graph = star(tuple(f"ap-{i}" for i in range(6)), latency_s=1e-6)
    graph.remove_edge("ap-0", "central")
    nx.add_path(graph, ("ap-0", name, "central"))
    result = small().build(fronthaul=graph, estimator=None).run(1)
    assert result.cpis[0].reports_fused == 9


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ("ring", "networkx.DiGraph"),
        (nx.MultiDiGraph([("ap-0", "central"), ("ap-0", "central")]), "networkx.DiGraph"),
        (nx.Graph([("ap-0", "central")]), "networkx.DiGraph"),
        (nx.DiGraph([(0, "central")]), "a node is called 0; allowed: text"),
        (nx.DiGraph([("a->b", "c"), ("a", "b->c")]), "a node is called 'a->b'"),
    ],
)
def test_what_is_no_fronthaul_graph_is_refused(graph, words):
    with pytest.raises(ValueError, match=words):
        Fronthaul(graph)


@pytest.mark.parametrize(
    ("name", "meant"), [("bandwidth", "rate_bit_s"), ("Capacity", "rate_bit_s"), ("link-delay", "latency_s")]
)
def test_attributes_that_are_none_of_a_link_are_refused(name, meant):
    with pytest.raises(ValueError, match=rf'ap-0->central: the attribute "{name}" is unknown; did you mean "{meant}"'):
        Fronthaul(star(("ap-0",), **{name: 1e6}))
    Fronthaul(star(("ap-0",), weight=2.0, color="red"))


@pytest.mark.parametrize("destination", ["ap-7", "sw-0", "ap-0"])
def test_a_message_to_nobody_is_refused(destination):
    bench, _ = chain()
    with pytest.raises(ValueError, match=f"ap-0 sends to '{destination}'"):
        bench.fronthaul.send(Parcel(1000, destination=destination))


def test_the_state_holds_what_the_links_had_become(small):
    """A run that is taken up again goes on with the links as they were, although it was built with others."""
    outcomes = []
    for resumed in (False, True):
        graph = star(tuple(f"ap-{i}" for i in range(6)), rate_bit_s=1e9, latency_s=25e-6)
        emulation = small().build(estimator=None, fronthaul=graph)
        first = list(emulation.cpis(2))
        receiver = f"ap-{first[0].assignment.receivers[0]}"
        graph.remove_edge(receiver, "central")
        graph.edges["central", receiver]["latency_s"] = 60e-6
        if resumed:
            state = emulation.state()
            graph = star(tuple(f"ap-{i}" for i in range(6)), rate_bit_s=1e9, latency_s=25e-6)
            emulation = small().build(estimator=None, fronthaul=graph)
            emulation.restore(state)
            assert emulation.fronthaul.books()["messages_sent"] > 0
            assert not graph.has_edge(receiver, "central")
        outcomes.append([cpi.reports_fused for cpi in emulation.cpis(4)] + [emulation.fronthaul.books()])
    assert outcomes[0] == outcomes[1]
    assert min(outcomes[0][:-1]) < 9


def test_the_books_of_a_fronthaul_that_has_not_started_are_empty():
    books = Fronthaul(star(("ap-0",))).books()
    assert books["messages_sent"] == 0
    assert not any(books["links"]["ap-0->central"][key] for key in ("bits", "utilisation", "wait_mean_s", "lost"))
