"""Doing a sweep: what is left of it is handed out, what comes back is appended to the log of its folder."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.fan_out import Pool, check_count, cluster_pool, each_done, local_pool
from scenarios.file.files import dump, load
from scenarios.file.scenario import Scenario
from scenarios.output.folders import OutputFolder, first_line_digest, settings_digest
from scenarios.output.progress import with_progress
from scenarios.sweeps.experiments import EXPERIMENTS
from scenarios.sweeps.log import TaskLog, entries, first_line, is_log_of
from scenarios.sweeps.plan import Plan, Setting, Task, plain_grid, plain_points

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["LOG", "RESULTS", "Outcome", "do", "pool_of", "sweep"]

LOG, RESULTS, SCENARIO = "tasks.log", "results.nc", "scenario.toml"


@dataclass(kw_only=True)
class Outcome:
    """What came of a sweep: how many tasks were done by now and before, and the error of each that failed."""

    n_tasks: int
    n_before: int = 0
    wall_s: float = 0.0
    failed: dict[int, str] = field(default_factory=dict)


def sweep(
    scenario: str | Path | Scenario,
    over: Mapping[str, Iterable[Any]] | None = None,
    *,
    points: Iterable[Setting] = (),
    trials: int,
    seed: int = 1,
    what: str = "run",
    out: str | Path,
    workers: int | None = None,
    cluster: str | None = None,
    executor: Executor | None = None,
    plugins: Iterable[str] = (),
    retry_failed: bool = False,
    overwrite: bool = False,
) -> "Dataset":
    """Do an experiment at many settings of a scenario, or go on with it; return what `open_results` does.

    Parameters
    ----------
    scenario
        Bundled name, path of a file, or a checked scenario.
    over, points
        A grid, the values of each dotted key; or a list of settings.
    trials
        Trials at each setting; trial i has the same seed in all settings.
    seed
        Of all trials.
    what
        "run": emulate; "bound": bounds and spectral efficiency alone.
    out
        Folder for the results. A sweep that was interrupted there goes on.
    workers
        Processes of this machine, one a core by default; of an executor how many calls it works on at a time.
    cluster
        Address of the scheduler of a Dask cluster, or the file that it wrote.
    executor
        Anything with the interface of `concurrent.futures.Executor`.
    plugins
        Modules of your own that the scenario and the settings may name classes of.
    retry_failed
        Whether to do tasks again that failed.
    overwrite
        Whether to replace results of other settings.

    Raises
    ------
    ScenarioError
        If a setting is wrong, or the folder holds results of other settings or somebody else's files.
    """
    from scenarios.sweeps.dataset import open_results, require_xarray

    require_xarray()
    plugins = tuple(plugins)
    plan = Plan(
        scenario=scenario if isinstance(scenario, Scenario) else load(scenario, plugins=plugins),
        over=plain_grid(over or {}),
        points=plain_points(points),
        what=what,
        trials=trials,
        seed=seed,
        plugins=plugins,
    )
    pool = partial(pool_of, workers=workers, cluster=cluster, executor=executor)
    do(plan, Path(out), pool, retry_failed=retry_failed, overwrite=overwrite)
    return open_results(out)


def pool_of(
    n_tasks: int, workers: int | None = None, cluster: str | None = None, executor: Executor | None = None
) -> AbstractContextManager[Pool]:
    """Return where tasks are computed: on a cluster, by an executor that is given, or by processes of this machine."""
    if cluster is not None:
        return cluster_pool(cluster)
    if workers is not None:
        check_count("--workers", workers)
    if executor is not None:
        from joblib import cpu_count

        n_workers = workers or cpu_count()
        return nullcontext(Pool(executor=executor, n_workers=lambda: n_workers))
    return local_pool(workers, n_tasks)


def do(plan: Plan, path: Path, pool: Any, *, retry_failed: bool = False, overwrite: bool = False) -> Outcome:
    """Do what is left of a sweep and write its results; ``pool`` gives where, for a number of tasks.

    Raises
    ------
    ScenarioError
        As `sweep`.
    """
    from scenarios.sweeps.dataset import save

    plan.check()
    folder = OutputFolder(
        path=path, command="sweep", names=(SCENARIO, RESULTS), settings=plan.said(), overwrite=overwrite
    )
    folder.check()
    with _log_in(folder) as log:
        outcome = _do_what_is_left(plan, log, path / LOG, pool, retry_failed)
        folder.write(
            {
                SCENARIO: lambda file: file.write_text(dump(plan.scenario), encoding="utf-8"),
                RESULTS: partial(save, plan, path / LOG),
            }
        )
    return outcome


def _log_in(folder: OutputFolder) -> TaskLog:
    """Return the log of a sweep: that which is there, or a new one."""
    beside = OutputFolder(
        path=folder.path,
        command="sweep log",
        names=(LOG,),
        settings=folder.settings,
        overwrite=folder.overwrite,
        digest=first_line_digest,
    )
    beside.check()
    path, digest = folder.path / LOG, settings_digest(folder.settings)
    if not is_log_of(path, digest):
        if path.exists():
            with TaskLog(path):  # refused while another sweep is at work with it
                pass
        beside.write({LOG: lambda file: file.write_text(first_line(digest), encoding="utf-8")})
    return TaskLog(path)


def _do_what_is_left(plan: Plan, log: TaskLog, path: Path, pool: Any, retry_failed: bool) -> Outcome:
    tasks = plan.tasks()
    known = {entry["task"]: entry.get("error") for entry in entries(path)}
    known = {task.number: known[task.number] for task in tasks if task.number in known}
    left = [task for task in tasks if task.number not in known or (retry_failed and known[task.number] is not None)]
    before_s = time.monotonic()
    for entry in _shown(_done(plan, left, pool), len(tasks), len(tasks) - len(left)):
        log.append(entry)
        known[entry["task"]] = entry.get("error")
    failed = {number: error for number, error in sorted(known.items()) if error is not None}
    return Outcome(
        n_tasks=len(tasks), n_before=len(tasks) - len(left), wall_s=time.monotonic() - before_s, failed=failed
    )


def _done(plan: Plan, tasks: Sequence[Task], pool: Any) -> Iterator[dict[str, Any]]:
    if not tasks:
        return
    with pool(len(tasks)) as where:
        for _, entry in each_done(partial(_attempt, plan.scenario, plan.plugins, plan.what), tasks, where, _killed):
            yield entry


def _shown(done: Iterator[dict[str, Any]], total: int, before: int) -> Iterator[dict[str, Any]]:
    """Yield what is done, behind a bar that tells how fast it goes and how much has failed."""
    begun_s, counts = time.monotonic(), Counter[str]()

    def said(entry: dict[str, Any]) -> str:
        counts.update(["done", *(["failed"] if "error" in entry else [])])
        rate = counts["done"] / max(time.monotonic() - begun_s, 1e-3)
        return f"{rate:.3g} tasks/s" + (f", {counts['failed']} failed" if counts["failed"] else "")

    return with_progress(done, total, "sweep", said, before)


def _attempt(scenario: Scenario, plugins: Sequence[str], what: str, task: Task) -> dict[str, Any]:
    """Return what came of a task: its record, or its error in words."""
    try:
        changed = scenario.with_(task.setting, plugins)
        return {"task": task.number, "record": EXPERIMENTS[what](changed, task.seed)}
    except (Exception, SystemExit) as error:  # a plug-in may end the process: that is no way to end a sweep
        return _failure(task, f"{type(error).__name__}: {error}")


def _killed(task: Task) -> dict[str, Any]:
    return _failure(task, "its process was killed or ended itself, perhaps as memory ran out")


def _failure(task: Task, text: str) -> dict[str, Any]:
    """Return the entry of a task that failed, in characters that any file takes."""
    return {"task": task.number, "error": text.encode("utf-8", "replace").decode().replace("\0", "?")}
