"""Many independent tasks on several processes, on a cluster, or here: one way to hand them out and to collect them.

Short tasks travel in chunks, so that handing them out costs little beside them; how many are in a chunk follows from
what the last one took. A few chunks for each worker are under way at a time, and results are given away as they come:
neither tasks nor results pile up in memory. Where a task is computed, and with which others, does not show in its
result, as long as that follows from the task alone.

Where a process is killed, what was under way is done again, one task after another. A task whose process is killed
though it was alone has done it, and the caller says what stands in the place of its result.

Not modelled: a task that never ends; a task that kills this process, where it is worked on here.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

from scenarios.extras import extra
from scenarios.file.problems import ScenarioError
from scenarios.version import DISTRIBUTION, program_version

__all__ = ["Pool", "check_count", "cluster_pool", "each_done", "local_pool"]

Item = TypeVar("Item")
T = TypeVar("T")
CHUNK_S = 0.5
"""What a chunk takes: handing it out costs a few milliseconds, and a worker that is done early waits for no more."""
AHEAD = 2
"""Chunks under way for each worker: one that it works on and one that is there when it is done."""
IDLE_S = 60
"""So long workers of this machine wait for the next fan-out: one that goes as it comes is missed, and warned of."""
ANSWER_S, WORKERS_WITHIN_S = 15.0, 60.0
"""A scheduler answers by then, and a cluster has a worker."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Where tasks are computed.

    Attributes
    ----------
    executor
        Takes calls and gives futures, as `concurrent.futures` has it.
    n_workers
        Tells how many calls it can work on at a time; of a cluster that may change.
    deaths
        What a call raises whose process was killed, of an executor that takes further calls then.
    """

    executor: Executor
    n_workers: Callable[[], int]
    deaths: tuple[type[Exception], ...] = ()


def check_count(option: str, count: int, least: int = 1) -> None:
    """Refuse a number of things that is below one, or no whole number; raises ScenarioError."""
    if isinstance(count, bool) or not isinstance(count, Integral) or count < least:
        raise ScenarioError(option, [f"got {count!r}; allowed: a whole number >= {least}"])


def each_done(
    task: Callable[[Item], T], items: Sequence[Item], pool: Pool, killed: Callable[[Item], T] | None = None
) -> Iterator[tuple[Item, T]]:
    """Yield each item with the result of its task, in the order in which they are done.

    Parameters
    ----------
    task
        A function that can be pickled; it runs with one BLAS thread. What it raises ends the fan-out.
    items
        What it is called with.
    pool
        Where.
    killed
        Gives what stands in the place of the result of an item whose task kills its process.

    Raises
    ------
    RuntimeError
        If a worker process is killed, and the pool takes no further calls then, or nothing stands in the place of a
        result; if a worker that came later has another version of this package.
    """
    chunks = _Chunks(items)
    under_way: dict[Future[Any], Sequence[Item]] = {}
    lost: list[Item] = []
    try:
        while under_way or chunks.left:
            while chunks.left and not lost and len(under_way) < AHEAD * pool.n_workers():
                chunk = chunks.next(pool.n_workers())
                under_way[_handed(pool, task, chunk)] = chunk
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                chunk, found = under_way.pop(future), _found(pool, future)
                lost.extend(() if found else chunk)
                results, chunks.task_s = found or ((), chunks.task_s)
                yield from results
            if lost and not under_way:
                yield from _one_by_one(task, lost, pool, killed)
                lost = []
    except BrokenProcessPool as error:
        raise RuntimeError("a worker process was killed, perhaps as memory ran out; try fewer --workers") from error
    finally:
        for future in under_way:
            future.cancel()


def _handed(pool: Pool, task: Callable[[Any], Any], chunk: Sequence[Any]) -> "Future[Any]":
    """Hand out a chunk; where a process was killed before anybody noticed, the future tells."""
    try:
        return pool.executor.submit(_work, program_version(), task, chunk)
    except pool.deaths as error:
        future: Future[Any] = Future()
        future.set_exception(error)
        return future


def _found(pool: Pool, future: "Future[Any]") -> tuple[list[tuple[Any, Any]], float] | None:
    """Return the results of a chunk and the time a task took; None if its process was killed."""
    try:
        found: tuple[list[tuple[Any, Any]], float] = future.result()
    except pool.deaths:
        return None
    return found


def _one_by_one(
    task: Callable[[Item], T], items: Sequence[Item], pool: Pool, killed: Callable[[Item], T] | None
) -> Iterator[tuple[Item, T]]:
    """Do again what was under way as a process was killed, nothing beside it."""
    for item in items:
        future = _handed(pool, task, [item])
        if found := _found(pool, future):
            yield from found[0]
        elif killed is not None:
            yield item, killed(item)
        else:
            future.result()


class _Chunks:
    """What is still to be handed out, and how much of it at a time."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items, self._first = items, 0
        self.task_s = CHUNK_S

    @property
    def left(self) -> int:
        return len(self._items) - self._first

    def next(self, n_workers: int) -> Sequence[Any]:
        """Return the next chunk; towards the end they are small, so that all workers are done together."""
        size = max(1, min(int(CHUNK_S / max(self.task_s, 1e-6)), self.left // (2 * AHEAD * n_workers)))
        chunk = self._items[self._first : self._first + size]
        self._first += size
        return chunk


def _work(version: str, task: Callable[[Any], Any], chunk: Sequence[Any]) -> tuple[list[tuple[Any, Any]], float]:
    """Return the results of a chunk with their items, and the seconds that one took."""
    from threadpoolctl import threadpool_limits

    if (here := program_version()) != version:
        raise RuntimeError(
            f"a worker has version {here} of {DISTRIBUTION}; allowed: {version}, as where the tasks are from"
        )
    before_s = time.perf_counter()
    with threadpool_limits(limits=1):
        results = [(item, task(item)) for item in chunk]
    return results, (time.perf_counter() - before_s) / len(chunk)


# -- pools ------------------------------------------------------------------------------------------------------------


class _Here(Executor):
    """Works on a call while it is handed in: no process, and no time spent on loading one."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _Processes(Executor):
    """Processes of this machine, new ones where some were killed."""

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers

    def _alive(self) -> Any:
        from joblib.externals.loky import get_reusable_executor

        return get_reusable_executor(max_workers=self._n_workers, timeout=IDLE_S)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        future: Future[T] = self._alive().submit(fn, *args, **kwargs)
        return future

    def kill(self) -> None:
        """End them, whatever they are doing."""
        self._alive().shutdown(wait=True, kill_workers=True)


@contextmanager
def local_pool(workers: int | None, n_tasks: int) -> Iterator[Pool]:
    """Give a pool of processes of this machine: so many, or one a core, but no more than tasks; one is this process."""
    if min(n_tasks, workers or n_tasks) <= 1:
        yield Pool(executor=_Here(), n_workers=lambda: 1)
        return
    from joblib import effective_n_jobs

    n_workers = min(n_tasks, workers or effective_n_jobs(-1))
    processes = _Processes(n_workers)
    try:
        yield Pool(executor=processes, n_workers=lambda: n_workers, deaths=(BrokenProcessPool,))
    except BaseException:
        processes.kill()
        raise


@contextmanager
def cluster_pool(cluster: str) -> Iterator[Pool]:
    """Give the pool of a Dask cluster: the address of its scheduler, or the file that it wrote.

    Raises
    ------
    ScenarioError
        If Dask is not installed, nobody answers there, no worker comes, or one has another version of this package.
    """
    with extra("cluster", "--cluster"):
        from distributed import Client, KilledWorker
    client = _client(Client, cluster)
    with client:
        _wait_for_workers(client, cluster)
        _refuse_other_versions(client, cluster)
        executor = client.get_executor(pure=False)
        try:
            n_workers = partial(_threads_of, client)
            yield Pool(executor=executor, n_workers=n_workers, deaths=(KilledWorker,))
        finally:
            executor.shutdown(wait=False)


def _threads_of(client: Any) -> int:
    return max(1, sum(client.nthreads().values()))


def _client(make: Callable[..., Any], cluster: str) -> Any:
    is_file = Path(cluster).suffix == ".json"
    where = {"scheduler_file": cluster} if is_file else {"address": cluster}
    try:
        if is_file and not Path(cluster).is_file():  # Dask would wait for it for ever
            raise FileNotFoundError("there is no such file")
        return make(**where, timeout=ANSWER_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ScenarioError("--cluster", [f'got "{cluster}", where no scheduler answers: {error}']) from error


def _wait_for_workers(client: Any, cluster: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKERS_WITHIN_S)
    except TimeoutError as error:
        raise ScenarioError("--cluster", [f'got "{cluster}", which has no worker; start one']) from error


def _refuse_other_versions(client: Any, cluster: str) -> None:
    """Ask each worker for its version by a function of the standard library, which it has whatever else it lacks."""
    found = client.run(metadata.version, DISTRIBUTION, on_error="return")
    others = [f"{worker} has {_told(version)}" for worker, version in found.items() if version != program_version()]
    if others:
        text = f'got "{cluster}", where {", ".join(sorted(others))}; allowed: {program_version()}, the version here'
        raise ScenarioError("--cluster", [text])


def _told(version: str | Exception) -> str:
    return f"no {DISTRIBUTION}" if isinstance(version, Exception) else f"version {version} of {DISTRIBUTION}"
