"""What must not change a result: faults that never come, who starts first, and whether a trace is kept."""

import random

import pytest

from tests.outcome import essence
from tests.test_faults import FAULTS, planned

CLOCKS = {
    "oscillators.preset": "ocxo",
    "calibration.kind": "over-the-air",
    "calibration.period_s": 6e-4,
    "consistency.false_alarm_probability": 1e-2,
    "fronthaul.jitter_s": 1e-6,
    "fronthaul.loss_probability": 0.05,
}
"""Everything that draws random numbers or keeps a state."""
SETTINGS = {"plain": {}, "clocks": CLOCKS}


def outcome(scenario, shuffled=None, tracing=True, n_cpis=5):
    """What a run comes to, with its nodes in another order."""
    emulation = scenario.build(seed=1, tracing=tracing)
    names = list(emulation.nodes)
    if shuffled is not None:
        random.Random(shuffled).shuffle(names)
    emulation.nodes = {name: emulation.nodes[name] for name in names}
    return essence(emulation.run(n_cpis))


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_plan_of_all_faults_that_never_come_changes_no_byte(small, setting):
    never = [planned(kind, 1.0, 2.0) for kind in FAULTS]
    assert outcome(small({**SETTINGS[setting], "faults": never})) == outcome(small(SETTINGS[setting]))


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("shuffled", range(3))
def test_nodes_start_in_any_order(small, setting, shuffled):
    """Without faults, and with all of them on at once."""
    for faults in ([], [planned(kind) for kind in FAULTS]):
        scenario = small({**SETTINGS[setting], "faults": faults})
        assert outcome(scenario, shuffled, n_cpis=8) == outcome(scenario, n_cpis=8)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("with_faults", [False, True])
def test_a_run_without_a_trace_has_the_same_results(small, setting, with_faults):
    scenario = small({**SETTINGS[setting], "faults": [planned(kind) for kind in FAULTS] if with_faults else []})
    results, _ = outcome(scenario, n_cpis=8)
    assert outcome(scenario, tracing=False, n_cpis=8) == (results, b"")
