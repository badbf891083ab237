"""Links with priorities, jitter and windows; routes that follow what links say; books that balance."""

import heapq
import io
import json
import math
import pickle
import warnings
from collections import defaultdict

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.kernel import Bell
from emulator.media.fronthaul import Fronthaul
from emulator.media.link_attributes import windows_ns
from emulator.media.topologies import mesh, ring, star, stripe
from emulator.messages import Assignment, EchoReport, Message, StatisticsReport, TransmissionRecord
from scenarios import load
from scenarios.file.build import fronthaul_graph
from scenarios.file.problems import ScenarioError
from scenarios.output.cables import fronthaul_figure
from scenarios.output.draw import save
from scenarios.output.losses import loss_lines
from scenarios.output.results import finite
from tests.outcome import essence
from tests.test_fronthaul import Bench, Parcel, chain, change

NAMES = tuple(f"ap-{i}" for i in range(6))


class Urgent(Parcel):
    priority = 0


class Middling(Parcel):
    priority = 1


CLASSES = (Urgent, Middling, Parcel)


def arrivals_of(bench):
    return {message.sequence: time_ns for time_ns, message in bench.run()}


# -- queues -----------------------------------------------------------------------------------------------------------


def test_plans_come_before_records_and_these_before_reports():
    order = [kind.priority for kind in (Assignment, TransmissionRecord, EchoReport, StatisticsReport, Message)]
    assert order == [0, 1, 2, 2, 2]


def test_what_waits_is_sent_by_priority_and_what_is_being_sent_is_not_stopped():
    bench, _ = chain(rate_bit_s=1e9)
    parcels = [Parcel(1000), Parcel(2000), Middling(3000), Urgent(4000), Middling(5000)]
    for i, parcel in enumerate(parcels):
        bench.at(i, parcel)
    assert [message for _, message in bench.run()] == [parcels[i] for i in (0, 3, 2, 4, 1)]


def test_one_that_enters_as_another_has_been_sent_finds_the_next_one_begun():
    """Whether what enters comes before or after the end of service among the events of the instant."""
    for rank in (0, 100):
        bench, _ = chain(rate_bit_s=1e9)
        first, second, urgent = Parcel(1000), Parcel(1000), Urgent(1000)
        bench.at(0, first)
        bench.at(0, second)
        Bell(bench.kernel, rank, lambda _, bench=bench, urgent=urgent: bench.fronthaul.send(urgent)).set(1000)
        assert [message for _, message in bench.run()] == [first, second, urgent]


def recursion(sent, rates, latency_ns):
    """Return when packets (time, priority, bits) arrive that pass link after link, served by priority without break."""
    entries = [(time_ns, i) for i, (time_ns, _, _) in enumerate(sent)]
    for rate in rates:
        waiting, left, free_ns, k = [], [], 0, 0
        entries.sort()
        while k < len(entries) or waiting:
            if not waiting:
                free_ns = max(free_ns, entries[k][0])
                heapq.heappush(waiting, (sent[entries[k][1]][1], k))
                k += 1
            _, first = heapq.heappop(waiting)
            free_ns = max(free_ns, entries[first][0]) + math.ceil(sent[entries[first][1]][2] * 1e9 / rate)
            left.append((free_ns + latency_ns, entries[first][1]))
            while k < len(entries) and entries[k][0] < free_ns:
                heapq.heappush(waiting, (sent[entries[k][1]][1], k))
                k += 1
        entries = left
    return {i: time_ns for time_ns, i in entries}


@pytest.mark.parametrize("n", [2000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_loaded_chain_departs_as_an_independent_recursion_says(n):
    """Three hops at 90 % load, three priorities, to the nanosecond."""
    rng = np.random.default_rng(n)
    sizes, kinds = rng.integers(400, 3000, size=n), rng.integers(0, 3, size=n)
    times = np.cumsum(rng.exponential(1700 / 0.9, size=n).astype(int) + 1)
    rates = (1.0e9, 1.03e9, 0.98e9)
    graph = stripe(("ap-0", "ap-1", "ap-2"), latency_s=7e-6)
    for a, b, rate in zip(("ap-2", "ap-1", "ap-0"), ("ap-1", "ap-0", "central"), rates, strict=True):
        graph.edges[a, b]["rate_bit_s"] = rate
    bench = Bench(Fronthaul(graph))
    for time_ns, size, kind in zip(times.tolist(), sizes.tolist(), kinds.tolist(), strict=True):
        bench.at(time_ns, CLASSES[kind](size, source="ap-2"))
    sent = list(zip(times.tolist(), kinds.tolist(), sizes.tolist(), strict=True))
    assert arrivals_of(bench) == recursion(sent, rates, 7000)
    waits = [link["wait_max_s"] for link in bench.fronthaul.books()["links"].values()]
    assert max(waits) > 1e-5


def poisson_link(load, n, seed, **attributes):
    """Return the book of a link at 1 bit/ns that got n packets of 1000 bits at random times."""
    bench, _ = chain(rate_bit_s=1e9, **attributes)
    times = np.cumsum(np.random.default_rng(seed).exponential(1000 / load, size=n)).astype(int)
    for time_ns in times.tolist():
        bench.at(time_ns, Parcel(1000))
    bench.run()
    return bench.fronthaul.books()["links"]["ap-0->central"]


def test_the_mean_wait_is_that_of_m_d_1():
    """W = rho S / (2 (1 - rho)); and Little: messages that wait = rate x wait."""
    load = 0.6
    book = poisson_link(load, 40_000, 1)
    assert book["wait_mean_s"] == pytest.approx(1e-6 * load / (2 * (1 - load)), rel=0.05)
    assert book["messages_waiting_mean"] == pytest.approx(load * 1e6 * book["wait_mean_s"], rel=0.02)
    assert book["bits_waiting_mean"] == pytest.approx(1000 * book["messages_waiting_mean"])
    assert book["utilisation"] == pytest.approx(load, rel=0.02)


def md1k_blocking(load, room):
    """Return the share lost of M/D/1 with so many places, by the chain embedded at departures."""
    arrivals = [math.exp(-load) * load**k / math.factorial(k) for k in range(room + 1)]
    chain_ = np.zeros((room, room))
    for i in range(room):
        for k in range(room):
            j = max(i - 1, 0) + k
            chain_[i, min(j, room - 1)] += arrivals[k] if j < room - 1 else 0.0
        chain_[i, room - 1] += 1.0 - chain_[i].sum()
    values, vectors = np.linalg.eig(chain_.T)
    left = np.real(vectors[:, np.argmin(abs(values - 1.0))])
    left /= left.sum()
    return 1.0 - 1.0 / (left[0] + load)


@pytest.mark.parametrize("room", [2, 4])
def test_drops_are_those_of_m_d_1_k(room):
    """As what is yet to be sent of a packet counts, room x 1000 bits take a packet if fewer than room are there."""
    load, n = 0.9, 25_000
    book = poisson_link(load, n, room, queue_bits=room * 1000)
    assert book["lost"]["queue full"] / n == pytest.approx(md1k_blocking(load, room), abs=0.01)
    assert book["messages_waiting_max"] == room - 1


# -- jitter -----------------------------------------------------------------------------------------------------------


def test_jitter_is_exponential_and_may_reorder():
    bench, _ = chain(rate_bit_s=1e9, latency_s=5e-6, jitter_s=2e-6)
    n = 4000
    for i in range(n):
        bench.at(2000 * i, Parcel(1000))
    arrivals = arrivals_of(bench)
    delays = np.array([arrivals[i] - 2000 * i - 6000 for i in range(n)])
    assert delays.min() >= 0
    assert delays.max() <= 20_000
    assert delays.mean() == pytest.approx(2000, rel=4 / math.sqrt(n))
    assert np.mean(delays > 2000) == pytest.approx(math.exp(-1), abs=0.03)
    assert list(arrivals) != sorted(arrivals)


def test_jitter_is_the_draw_of_a_message_times_the_mean_of_the_moment_in_whole_ns():
    bench, edge = chain(rate_bit_s=1e9, jitter_s=1e-6)
    for i in range(100):
        bench.at(100_000 * i, Parcel(1000))
    change(bench, 3_000_000, edge, jitter_s=3e-6)
    delays = [time_ns - 100_000 * i - 1000 for i, (time_ns, _) in enumerate(bench.run())]
    blocks = [bench.generator("ap-0->central", "jitter", block).exponential(size=64) for block in (0, 1)]
    draws = np.concatenate(blocks).clip(max=10.0)[1:101].tolist()  # by how many began, itself included
    assert delays == [round(draw * (1e-6 if i < 30 else 3e-6) * 1e9) for i, draw in enumerate(draws)]


def test_jitter_of_a_message_does_not_depend_on_other_links():
    alone, _ = chain(rate_bit_s=1e9, jitter_s=1e-6)
    both = Bench(Fronthaul(star(("ap-0", "ap-1"), rate_bit_s=1e9, jitter_s=1e-6)))
    for i in range(100):
        alone.at(5000 * i, Parcel(1000))
        both.at(5000 * i, Parcel(1000))
        both.at(5000 * i, Parcel(1000, source="ap-1"))
    mine = [time_ns for time_ns, message in both.run() if message.source == "ap-0"]
    assert [time_ns for time_ns, _ in alone.run()] == mine


# -- outages and routes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", ["0.001-0.002; 5e-3-0.006", [[1e-3, 2e-3], [5e-3, 6e-3]], ((5e-3, 6e-3), (1e-3, 2e-3))]
)
def test_windows_are_text_or_pairs(given):
    assert windows_ns(given) == ((1_000_000, 2_000_000), (5_000_000, 6_000_000))


@pytest.mark.parametrize("odd", ["1", "2-1", "x-y", [[1.0]], [[2.0, 1.0]], [[-1.0, 1.0]], 3.0, None, [[0.0, math.nan]]])
def test_windows_that_are_none_are_refused(odd):
    with pytest.raises(ValueError, match=r"ap-0->central: down_s is .*; allowed: pairs"):
        Fronthaul(star(("ap-0",), down_s=odd))


def test_a_window_loses_what_waits_when_it_opens_and_what_would_arrive_in_it():
    """At 1 bit a ns: the first is on the cable when the window opens at 1500 ns, the second in service, two wait."""
    bench, _ = chain(rate_bit_s=1e9, latency_s=1e-6, down_s="1.5e-6-5e-6")
    for _ in range(4):
        bench.at(0, Parcel(1000))
    late = Parcel(1000)
    bench.at(4999, Parcel(1000))
    bench.at(5000, late)
    assert bench.run(until_ns=1600) == []
    assert bench.fronthaul.books()["messages_dropped"] == 2
    assert bench.run() == [(7000, late)]
    books = bench.fronthaul.books()
    assert (books["messages_dropped"], books["messages_without_route"], books["messages_in_flight"]) == (5, 1, 0)
    assert books["links"]["ap-0->central"]["lost"] == {"link down": 4}


@pytest.mark.parametrize("how", ["window", "removed", "rate 0"])
def test_another_way_is_taken_while_a_link_is_down_and_the_first_when_it_is_there_again(how):
    """On a ring of four, ap-0 goes round by ap-2 while its own cable is down from 10 to 20 us."""
    window = {"down_s": [[10e-6, 20e-6]]} if how == "window" else {}
    graph = ring(("ap-0", "ap-1", "ap-2"), latency_s=1e-6)
    graph.edges["ap-0", "central"].update(window)
    bench = Bench(Fronthaul(graph))
    edge = dict(graph.edges["ap-0", "central"])
    if how == "removed":
        Bell(bench.kernel, -1, lambda _: graph.remove_edge("ap-0", "central")).set(10_000)
        Bell(bench.kernel, -1, lambda _: graph.add_edge("ap-0", "central", **edge)).set(20_000)
    if how == "rate 0":
        change(bench, 10_000, graph.edges["ap-0", "central"], rate_bit_s=0)
        change(bench, 20_000, graph.edges["ap-0", "central"], rate_bit_s=math.inf)
    sent = [Parcel(1000) for _ in range(5)]
    for time_ns, parcel in zip((5000, 10_000, 12_000, 19_999, 20_000), sent, strict=True):
        bench.at(time_ns, parcel)
    around = [(15_000, sent[2]), (21_000, sent[4]), (22_999, sent[3])]
    if how == "window":  # it is known as it opens; a change of the graph is known by the message that it costs
        around.insert(0, (13_000, sent[1]))
    assert bench.run() == [(6000, sent[0]), *around]
    assert bench.fronthaul.books()["messages_dropped"] == (0 if how == "window" else 1)


def test_a_shorter_latency_draws_messages_over():
    graph = ring(("ap-0", "ap-1", "ap-2"), latency_s=1e-6)
    bench = Bench(Fronthaul(graph))
    change(bench, 0, graph.edges["ap-0", "central"], latency_s=9e-6)
    for _ in range(2):
        bench.at(0, Parcel(1000))
    assert [time_ns for time_ns, _ in bench.run()] == [3000, 9000]


def test_a_message_without_a_route_is_in_the_books_the_trace_and_the_lost_reports(small):
    overrides = {"selector.kind": "fixed", "selector.receivers": [0, 1, 2], "selector.transmitters": [3, 4, 5]}
    graph = star(NAMES, rate_bit_s=1e9, latency_s=25e-6)
    graph.edges["ap-2", "central"]["down_s"] = "0-1"
    emulation = small(overrides).build(estimator=None, fronthaul=graph)
    result = emulation.run(1)
    assert result.cpis[0].reports_fused == 6
    (lost,) = result.lost_reports
    assert (lost.cause.fate, lost.cause.link, lost.count) == ("no route", "ap-2", 3)
    assert loss_lines(result.lost_reports) == ["3: the report found no way on from ap-2 (ap-2)"]
    assert result.fronthaul["messages_without_route"] >= 3
    columns = result.trace.columns()
    nodes = {emulation.trace.nodes[i] for i in columns["node"][columns["kind"] == 10]}
    assert nodes == {"ap-2"}


def test_a_switch_may_be_where_no_way_leads_on(small):
    graph = star(NAMES, rate_bit_s=1e9, latency_s=25e-6)
    graph.remove_edge("ap-2", "central")
    graph.add_edge("ap-2", "switch", latency_s=10e-6)
    graph.add_edge("switch", "central", latency_s=15e-6, down_s="130e-6-1")
    result = small({"schedule.lead_s": 1e-4}).build(estimator=None, fronthaul=graph).run(4)
    assert result.fronthaul["messages_without_route"] > 0
    assert sum(link["lost"].get("link down", 0) for link in result.fronthaul["links"].values()) <= 4


# -- books and states -------------------------------------------------------------------------------------------------


def random_graph(rng, names):
    """Return a random connected graph with loads, losses, jitter and windows in its first 100 us."""
    drawn = nx.gnp_random_graph(len(names), 0.4, seed=int(rng.integers(2**32)))
    graph = nx.DiGraph(nx.relabel_nodes(drawn, dict(enumerate(names))))
    nx.add_path(graph, names)
    nx.add_path(graph, names[::-1])
    for edge in graph.edges.values():
        start = rng.uniform(0, 80e-6, size=2)
        edge.update(rate_bit_s=float(rng.choice([2e8, 1e9, 1e12])), latency_s=1e-6 * int(rng.integers(0, 4)))
        edge.update(
            {"jitter_s": 1e-6} if rng.random() < 0.3 else {}, **({"queue_bits": 5000} if rng.random() < 0.3 else {})
        )
        edge.update({"loss_probability": 0.1} if rng.random() < 0.2 else {})
        edge.update({"down_s": [[t, t + 2e-5] for t in start]} if rng.random() < 0.3 else {})
    return graph


def random_network(seed, n_nodes):
    """Return a random graph, and what is sent on it."""
    rng = np.random.default_rng(seed)
    names = ["central", *(f"ap-{i}" for i in range(n_nodes - 1))]
    graph = random_graph(rng, names)
    parcels = []
    for _ in range(60):
        inward, other = rng.random() < 0.6, str(rng.choice(names[1:]))
        ends = (other, "central") if inward else ("central", other)
        parcels.append((int(rng.integers(0, 10**5)), int(rng.integers(0, 3)), int(rng.integers(400, 5000)), ends))
    return graph, parcels


def assert_books_close(fronthaul, now_ns):
    """Sent = delivered + lost by cause + in flight, overall and on every link; return the books."""
    books, links, on_cables = fronthaul.books(), fronthaul.links.values(), defaultdict(int)
    fates = [books[f"messages_{fate}"] for fate in ("delivered", "dropped", "in_flight")]
    assert books["messages_sent"] == sum(fates)
    lost = sum(sum(link.lost.values()) for link in links)
    assert books["messages_dropped"] == lost + books["messages_without_route"]
    for together in fronthaul._in_flight.values():
        for _, link, *_ in together:
            on_cables[link] += 1
    for link in links:
        down = link.entered - link.begun - len(link.waiting)  # lost while it waited
        assert 0 <= down <= link.lost.get("link down", 0)
        assert link.begun == link.carried + on_cables[link]
        assert link.elapsed_busy_ns(now_ns) <= now_ns
    return books


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_nodes=st.integers(2, 8), until_ns=st.integers(1, 150_000))
def test_books_balance_at_any_time_on_any_graph(seed, n_nodes, until_ns):
    graph, parcels = random_network(seed, n_nodes)
    bench = Bench(Fronthaul(graph))
    for time_ns, kind, size, (source, destination) in parcels:
        bench.at(time_ns, CLASSES[kind](size, source=source, destination=destination))
    for end_ns in (until_ns, None):
        bench.run(until_ns=end_ns)
        books = assert_books_close(bench.fronthaul, bench.now_ns)
        assert books["messages_delivered"] == len(bench.arrivals)
    assert books["messages_in_flight"] == 0
    assert len({message.sequence for _, message in bench.arrivals}) == len(bench.arrivals)


def busy_ring():
    """A ring with everything: thin links, jitter, loss, short queues, windows."""
    graph = ring(NAMES, rate_bit_s=1e8, latency_s=9e-6, jitter_s=4e-6, loss_probability=0.02, queue_bits=30_000)
    for ends, window in {("ap-1", "ap-0"): "0-5e-5; 2e-4-3e-4", ("central", "ap-5"): "150e-6-250e-6"}.items():
        graph.edges[ends]["down_s"] = window
    return graph


@pytest.mark.parametrize("split", ["iq", "statistics"])
def test_a_state_in_the_middle_of_everything_goes_on_to_the_byte(small, split):
    def build():
        return small({"fronthaul.split": split, "schedule.lead_s": 3e-4}).build(
            seed=3, estimator=None, fronthaul=busy_ring()
        )

    whole = build()
    expected = essence(whole.run(3))
    assert max(link["messages_waiting_max"] for link in whole.fronthaul.books()["links"].values()) > 1
    moving, waited = build(), False
    moving.start()
    for step in range(200):
        moving.kernel.step()
        state = moving.state()
        waited |= any(link.waiting for link in moving.fronthaul.links.values())
        if step % 17 == 0:
            other = build()
            other.restore(pickle.loads(pickle.dumps(state)))
            assert essence(other.run(3)) == expected
    assert waited


def test_windows_that_never_come_and_no_jitter_leave_all_as_it_was(small):
    plain = star(NAMES, rate_bit_s=1e9, latency_s=25e-6)
    ideal = star(NAMES, rate_bit_s=1e9, latency_s=25e-6, jitter_s=0.0, down_s=[[3600.0, 7200.0]])
    results = [small().build(seed=2, estimator=None, fronthaul=graph).run(3) for graph in (plain, ideal)]
    assert essence(results[0]) == essence(results[1])


# -- topologies and pictures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("neighbours", [1, 3, 50])
def test_a_mesh_links_nearest_neighbours_and_is_connected(neighbours):
    rng = np.random.default_rng(neighbours)
    places = np.vstack([rng.uniform(0, 100, (10, 2)), rng.uniform(900, 1000, (10, 2))])
    names = tuple(f"ap-{i}" for i in range(20))
    graph = mesh(names, positions_m=places, central_m=(500.0, 500.0), neighbours=neighbours, latency_s=1e-6)
    assert nx.is_strongly_connected(graph)
    assert all(graph.has_edge(b, a) for a, b in graph.edges)
    for i in range(20):
        distance = np.hypot(*(np.vstack([places, [500.0, 500.0]]) - places[i]).T)
        near = [(*names, "central")[j] for j in np.argsort(distance)[1 : neighbours + 1]]
        assert set(near) <= set(graph.successors(names[i]))


def test_a_mesh_follows_the_positions_of_the_run():
    scenario = load("paper", {"fronthaul.topology": "mesh", "fronthaul.neighbours": 2})
    graphs = [fronthaul_graph(scenario, seed) for seed in (1, 2)]
    assert set(graphs[0].edges) != set(graphs[1].edges)
    resolved = fronthaul_graph(scenario.resolved(2))
    assert set(resolved.edges) == set(graphs[1].edges)


@pytest.mark.parametrize("links", ["links", "edges"])
def test_node_link_json_is_a_topology(tmp_path, links):
    graph = nx.star_graph(["central", *(f"ap-{i}" for i in range(12))])
    graph.edges["central", "ap-3"].update(rate_bit_s=5e6, down_s=[[1e-3, 2e-3]])
    path = tmp_path / "site.json"
    path.write_text(json.dumps(nx.node_link_data(graph, edges=links)))
    found = fronthaul_graph(load("paper", {"fronthaul.topology": str(path), "fronthaul.jitter_s": 1e-6}))
    assert found.edges["ap-3", "central"] == {
        "rate_bit_s": 5e6, "latency_s": 25e-6, "loss_probability": 0.0, "jitter_s": 1e-6, "down_s": [[1e-3, 2e-3]],
    }  # fmt: skip
    nx.write_graphml(nx.star_graph(["central", *(f"ap-{i}" for i in range(12))]), tmp_path / "site.graphml")
    same = fronthaul_graph(load("paper", {"fronthaul.topology": str(tmp_path / "site.graphml")}))
    assert set(same.edges) == set(found.edges)


@pytest.mark.parametrize(
    ("change_", "words"),
    [
        (lambda table: table.pop("nodes"), "cannot be read as node-link JSON"),
        (lambda table: table["edges"].append(dict(table["edges"][0])), "parallel links"),
        (lambda table: table["edges"][0].update(bandwidth=1), 'the attribute "bandwidth" of the link'),
        (lambda table: table["edges"][0].update(down_s=[[2, 1]]), "down_s of the link"),
        (lambda table: table["edges"].pop(), "ap-11 cannot reach central"),
    ],
)
def test_what_is_wrong_with_node_link_json_is_named(tmp_path, change_, words):
    table = nx.node_link_data(nx.star_graph(["central", *(f"ap-{i}" for i in range(12))]), edges="edges")
    change_(table)
    path = tmp_path / "site.json"
    path.write_text(json.dumps(table))
    with pytest.raises(ScenarioError, match=words):
        load("paper", {"fronthaul.topology": str(path)})


@pytest.mark.parametrize("topology", ["star", "ring", "tree", "stripe", "mesh"])
def test_every_graph_has_a_picture(small, topology):
    result = small({"fronthaul.topology": topology, "fronthaul.loss_probability": 0.05}).build(estimator=None).run(3)
    figure = fronthaul_figure(finite(result.fronthaul))
    ax = figure.axes[0]
    assert {text.get_text() for text in ax.texts} >= {"central", *NAMES}
    assert len(ax.collections[0].get_segments()) == len(result.fronthaul["links"])


def test_names_in_the_picture_are_short_and_no_formulas():
    graph = star(("ap-0",), rate_bit_s=1e8)
    for node in ("$\\frac$", "$x^$", "L" * 200, "\N{SATELLITE}"):
        graph.add_edge("central", node, rate_bit_s=1e8, latency_s=0.0)
    books = finite(Fronthaul(graph).books())
    books["links"]["central->$x^$"]["utilisation"] = 0.9
    figure = fronthaul_figure(books)
    with io.BytesIO() as file, warnings.catch_warnings(action="error"):
        save(figure, file)
    assert max(len(text.get_text()) for text in figure.axes[0].texts) < 30
    assert "busiest central->\\$x^\\$, 90 %" in figure.get_suptitle()


def test_the_picture_takes_any_books():
    for graph in (star(tuple(f"ap-{i}" for i in range(200))), star(("ap-0",), rate_bit_s=math.inf)):
        figure = fronthaul_figure(finite(Fronthaul(graph).books()))
        assert figure.axes and all(ax.has_data() for ax in figure.axes[:1])
