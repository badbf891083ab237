"""Books close under any plan of faults: every message that was sent was delivered, lost once, or is still under way."""

from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator import Kind
from emulator.faults import ApDown, LinkDegraded, LinkDown, LinkFlapping, Restart
from tests.test_links import NAMES, assert_books_close, random_graph

RUN_S = 6e-4
"""Faults begin within three CPIs of the scenario ``small`` and the lead before them."""
seeds = st.integers(0, 2**32 - 1)


def random_faults(rng, graph):
    """Return up to six faults of links and access points, that overlap as it comes."""
    links = [f"{a}->{b}" for a, b in graph.edges]
    faults = []
    for kind in rng.integers(0, 5, size=rng.integers(0, 7)):
        at_s, lasts_s = rng.uniform(0.0, RUN_S), rng.uniform(1e-6, RUN_S)
        node, link = str(rng.choice(NAMES)), str(rng.choice(links))
        lasting = {"at_s": at_s, "until_s": at_s + lasts_s if rng.random() < 0.8 else None}
        worse = {"rate_factor": 0.1, "latency_add_s": 5e-6, "loss_probability": 0.2}
        faults.append(
            (
                partial(LinkDown, link=link, **lasting),
                partial(LinkDegraded, link=link, **worse, **lasting),
                partial(LinkFlapping, link=link, period_s=rng.uniform(2e-6, 1e-4), **lasting),
                partial(ApDown, node=node, **lasting),
                partial(Restart, node=node, at_s=at_s, lasts_s=lasts_s),
            )[kind]()
        )
    return faults


def random_emulation(small, seed):
    """Return an emulation on a random graph with a random plan of faults."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, ["central", *rng.permutation(NAMES).tolist()])
    split = str(rng.choice(["iq", "statistics", "summed-map"]))
    maps = {"estimator.kind": "map", "fronthaul.map_step_m": 200.0} if split == "summed-map" else {}
    scenario = small({"fronthaul.split": split, "user_equipment.count": 1} | maps)
    return scenario.build(seed=1, estimator=None, fronthaul=graph, faults=random_faults(rng, graph))


def recorded(emulation):
    """Have the numbers of messages written down as they are sent and handed over, beside the books."""
    fronthaul, sent, handed = emulation.fronthaul, [], []
    send = fronthaul.send

    def seen(message):
        send(message)
        sent.append(message.sequence)

    def taken(deliver, message):
        handed.append(message.sequence)
        deliver(message)

    fronthaul.send = seen
    emulation.start()
    for name, deliver in fronthaul._handlers.items():
        fronthaul._handlers[name] = partial(taken, deliver)
    return sent, handed


def check_books(emulation, n_cpis):
    """Run, and account for every message by its number, and for every report that was due."""
    sent, handed = recorded(emulation)
    result = emulation.run(n_cpis)
    assert_books_close(emulation.fronthaul, emulation.now_ns)
    columns = result.trace.columns()
    lost = columns["message"][columns["kind"] == Kind.DROP].tolist()
    under_way = [message.sequence for message in emulation.fronthaul.in_flight()]
    assert sorted(handed + lost + under_way) == list(range(len(sent))), "each has one fate"
    books = emulation.fronthaul.books()
    counts = [books[f"messages_{fate}"] for fate in ("sent", "delivered", "dropped", "in_flight")]
    assert counts == [len(sent), len(handed), len(lost), len(under_way)]
    missing = sum(cpi.reports_expected - cpi.reports_fused for cpi in result.cpis)
    assert sum(reports.count for reports in result.lost_reports) == missing


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=seeds)
def test_books_close_under_any_plan_of_faults(small, seed):
    check_books(random_emulation(small, seed), 3)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=seeds)
def test_books_close_in_ten_thousand_networks(small, seed):
    check_books(random_emulation(small, seed), 3)
