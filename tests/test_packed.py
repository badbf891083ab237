"""Long runs: results that are packed, memory that does not grow, and JSON that is written piece by piece."""

import json
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest

from emulator.packed import BLOCK, PackedSequence
from emulator.results import CpiResults
from scenarios.output.results import json_text, run_data, run_pieces, save_run


@pytest.mark.parametrize("n", [0, 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_a_packed_sequence_is_a_sequence(n):
    plain = [{"index": i} for i in range(n)]
    packed = PackedSequence(plain)
    assert len(packed) == n
    assert list(packed) == plain
    assert [packed[i] for i in range(-n, n)] == plain + plain
    assert packed[1:-1:2] == tuple(plain[1:-1:2])
    assert list(reversed(packed)) == plain[::-1]
    for outside in (n, -n - 1):
        with pytest.raises(IndexError):
            packed[outside]


def test_what_cannot_be_pickled_is_kept_as_it_is():
    functions = [lambda i=i: i for i in range(2 * BLOCK)]
    packed = PackedSequence(functions)
    assert [f() for f in packed] == list(range(2 * BLOCK))
    assert packed[3] is functions[3]


def test_results_are_the_same_before_and_after_packing(small):
    """Every field of every CPI, to the byte; the last keeps its observation, the others have none."""
    n = 2 * BLOCK + 3
    plain = list(small().build(seed=2).cpis(n))
    result = small().build(seed=2).run(n)
    for one, other in zip(plain, result.cpis, strict=True):
        for name in ("index", "start_ns", "published_ns", "assignment", "sensing_latency_s", "reports_fused"):
            assert getattr(one, name) == getattr(other, name)
        for name in ("truth_m", "peb_m", "peb_structured_m", "se_bit_s_hz"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(one.estimate.positions_m, other.estimate.positions_m)
        assert one.score.status == other.score.status
    np.testing.assert_array_equal(result.errors_m, [cpi.score.error_m for cpi in plain])
    assert [cpi.index for cpi in result.cpis if cpi.observation is not None] == [n - 1]
    again = pickle.loads(pickle.dumps(result.cpis))
    assert [cpi.index for cpi in again] == list(range(n))


@pytest.mark.slow
def test_a_cpi_more_takes_some_hundred_bytes(small):
    """Of a run without trace and estimation, results and all else that is kept; with what was fused it was 20 kB."""
    emulation = small().build(estimator=None, tracing=False)
    emulation.run(2 * BLOCK)  # caches fill
    kept = []
    tracemalloc.start()
    for n in (BLOCK, 4 * BLOCK):
        before = tracemalloc.get_traced_memory()[0]
        result = emulation.run(n)
        kept.append(tracemalloc.get_traced_memory()[0] - before)
        del result
    tracemalloc.stop()
    assert (kept[1] - kept[0]) / (3 * BLOCK) < 800


def test_nobody_holds_an_observation_while_the_next_cpi_is_computed(small):
    """Neither the iterator over CPIs nor a run: it is the largest thing that a CPI leaves."""
    emulation = small().build(estimator=None)
    alive = []
    publish = emulation.on_publish

    def counting(inbox, estimate, observation):
        alive.append(sum(1 for kept in observations if kept() is not None))
        observations.append(weakref.ref(observation))
        publish(inbox, estimate, observation)

    observations = []
    emulation.on_publish = counting
    cpis = emulation.cpis(3)
    for _ in range(3):
        next(cpis)
    emulation.run(3)
    assert alive == [0] * 6


@pytest.mark.parametrize("n", [1, 3])
def test_the_json_of_a_run_is_written_piece_by_piece_and_the_same(small, tmp_path, n):
    result = small().build(estimator=None).run(n)
    whole = json_text({**run_data(result, 7), "wall_s": 1.5})
    pieces = list(run_pieces(result, 7, wall_s=1.5))
    assert "".join(pieces) == whole
    assert len(pieces) == 2 * n + 2
    save_run(result, 7, tmp_path / "result.json")
    assert (tmp_path / "result.json").read_text() == json_text(run_data(result, 7))
    assert json.loads(whole)["cpis"][n - 1]["index"] == n - 1


def test_results_given_one_by_one_become_results_of_a_run(small):
    emulation = small().build(estimator=None)
    cpis = list(emulation.cpis(3))
    result = emulation.result(cpis)
    assert isinstance(result.cpis, CpiResults)
    assert [cpi.observation is not None for cpi in result.cpis] == [False, False, True]
    assert cpis[0].observation is not None
    assert result.slots == 9


@pytest.mark.slow
def test_ten_times_as_many_cpis_take_a_tenth_more_memory_at_most():
    from benchmarks.study_engine_size import HERE, cell

    (_, some_mib), (_, many_mib) = (cell(HERE, 6, n_cpis, 1, traced=False) for n_cpis in (1000, 10_000))
    assert many_mib < 1.1 * some_mib
