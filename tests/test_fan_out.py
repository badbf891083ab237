"""The fan-out: every task is done once, wherever, and little of it is under way at a time."""

import os
import signal
import sys
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError

import pytest

from scenarios import fan_out
from scenarios.fan_out import Pool, cluster_pool, each_done, local_pool
from scenarios.file.problems import ScenarioError


def square(x):
    return x * x


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


class Noted(Executor):
    """Does nothing until it is asked to, and notes what it was given."""

    def __init__(self):
        self.chunks = []

    def submit(self, fn, version, task, chunk):
        self.chunks.append(len(chunk))
        future = Future()
        future.set_result(([(item, task(item)) for item in chunk], 1e-3))
        return future


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_once(workers):
    with local_pool(workers, 500) as pool:
        assert sorted(each_done(square, range(500), pool)) == [(x, x * x) for x in range(500)]


def test_any_executor_of_pythons_own_kind_will_do():
    with ThreadPoolExecutor(3) as executor:
        pool = Pool(executor=executor, n_workers=lambda: 3)
        assert dict(each_done(square, range(50), pool)) == {x: x * x for x in range(50)}


def test_a_task_that_fails_ends_the_fan_out_with_its_error():
    with local_pool(1, 3) as pool, pytest.raises(TypeError):
        list(each_done(square, ["a", "b", "c"], pool))


def test_chunks_of_short_tasks_grow_and_become_small_towards_the_end():
    executor = Noted()
    list(each_done(square, range(10_000), Pool(executor=executor, n_workers=lambda: 2)))
    assert executor.chunks[0] == 1
    assert max(executor.chunks) == int(fan_out.CHUNK_S / 1e-3)
    assert executor.chunks[-1] == 1
    assert sum(executor.chunks) == 10_000


def test_no_more_is_handed_out_than_keeps_the_workers_busy():
    executor = Noted()
    done = each_done(square, range(1000), Pool(executor=executor, n_workers=lambda: 2))
    next(done)
    assert len(executor.chunks) == 2 * fan_out.AHEAD


def square_or_die(x):
    return die(x) if x == 3 else square(x)


def test_the_task_that_kills_its_process_is_known_and_all_others_are_done():
    with local_pool(2, 40) as pool:
        done = dict(each_done(square_or_die, range(40), pool, killed=lambda x: f"{x} killed it"))
    assert done == {x: x * x for x in range(40)} | {3: "3 killed it"}


def test_a_worker_process_that_is_killed_is_told_of_in_words():
    with pytest.raises(RuntimeError, match="was killed"), local_pool(2, 4) as pool:
        list(each_done(die, range(4), pool))


def test_without_dask_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ScenarioError, match=r"dmimo-isac\[cluster\]"), cluster_pool("tcp://localhost:1"):
        pass


def test_a_scheduler_that_is_not_there_is_refused_in_words(monkeypatch, tmp_path):
    pytest.importorskip("distributed")
    monkeypatch.setattr(fan_out, "ANSWER_S", 0.2)
    for cluster in ("tcp://127.0.0.1:9", str(tmp_path / "none.json"), "nonsense://x"):
        with pytest.raises(ScenarioError, match="no scheduler answers"), cluster_pool(cluster):
            pass


def test_cluster_workers_of_another_version_are_refused_before_any_task(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(fan_out, "program_version", lambda: "9.9")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        pytest.raises(ScenarioError, match=r"has version [\d.]+ of dmimo-isac; allowed: 9\.9, the version here"),
        cluster_pool(cluster.scheduler_address),
    ):
        raise AssertionError("a pool was given")


def test_each_worker_of_another_version_is_named_and_one_without_the_package(monkeypatch):
    class Client:
        def run(self, *_, **__):
            return {"tcp://a": "1.0", "tcp://b": "0.9", "tcp://c": PackageNotFoundError("dmimo-isac")}

    monkeypatch.setattr(fan_out, "program_version", lambda: "1.0")
    with pytest.raises(ScenarioError, match=r"tcp://b has version 0\.9 .*, tcp://c has no dmimo-isac") as refusal:
        fan_out._refuse_other_versions(Client(), "scheduler.json")
    assert "tcp://a" not in str(refusal.value)


def test_a_worker_that_comes_later_with_another_version_computes_nothing():
    with pytest.raises(RuntimeError, match=r"a worker has version .* of dmimo-isac; allowed: 9\.9"):
        fan_out._work("9.9", die, [1])
