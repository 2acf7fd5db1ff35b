"""Random schedules of faults on a real node: `make soak ARGS="--cluster --schedules 200"`.

Each schedule is one release of a random version, good or bad in one of many ways, with random
faults at random moments; eight services play at once, and now and then something dies for all of
them. What must hold is checked on the route and on what users got.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

# It stands on the node, the servers and the database of other tests.
sys.path += [str(Path(__file__).parents[1] / name) for name in (".", "cluster", "faults", "real")]

import hand
from images import image
from kube_lab import KubeLab, Shop, missing_here, node_binaries
from postgres import PostgresServer
from real_servers import Prometheus, find_binary, running
from releases import Releases, write_dag
from rollout import connections
from route_watch import CANARY, RouteWatch
from soaking import Schedule, Soak, only, patiently

from airflow_rollout.cli.airflow_values import DagRun
from airflow_rollout.demo.airflow import AirflowLab
from airflow_rollout.demo.airflow_settings import CLUSTER_MODULES, Settings
from airflow_rollout.release import Outcome

__all__ = ["SERVICES", "NodeScene", "soak_airflow", "soak_on_node"]

SERVICES = tuple(f"soak-{number}" for number in range(1, 9))

_POSTGRES = "usr/lib/postgresql/*/bin/postgres"
_STABLES = ("v1", "v2")
_GOOD = "good"
_BAD = ("errors", "slow", "crashlater", "memory", "crash", "absent", "neverready")

# Two processor cores bear it from all services at once.
_REQUESTS_A_SECOND = 15.0

_LATEST_FAULT_SECONDS = 40.0
_LONGEST_FAULT_SECONDS = 10.0
_OUTAGE_EVERY_SECONDS = 90.0
_AWAY_SECONDS = 10.0
_FOLLOWS_SECONDS = 60.0

# A cluster whose API server was killed is back later than a lab's Airflow.
_patiently = partial(patiently, seconds=180.0)


class NodeScene:
    """One shop, its DAG and its users."""

    def __init__(self, shop: Shop, airflow: AirflowLab) -> None:
        self.shop = shop
        self.releases = Releases(shop, airflow)
        self.stable = _STABLES[0]
        self.watch: RouteWatch

    def other(self) -> str:
        """Return the good version that is not stable."""
        return next(name for name in _STABLES if name != self.stable)

    def put_right(self) -> None:
        """Give the shop what a schedule may have taken: rights, route, size, a serving stable."""
        shop = self.shop
        shop.lab.give_role(shop.name)
        if shop.made():
            # What a person does whose release was left as it is.
            self.releases.roll_back()
        shop.patch("Deployment", "checkout", {"spec": {"replicas": 2}})
        if self.stable not in _STABLES:
            # A person let a bad version pass.
            self.stable = _STABLES[0]
            path = "/spec/template/spec/containers/0/image"
            change = [{"op": "replace", "path": path, "value": image(self.stable)}]
            shop.patch("Deployment", "checkout", change)
        shop.until(lambda: shop.answers(20) == {self.stable: 20}, "stable serves alone", 120.0)


def _mark_gate(state: str) -> Callable[[NodeScene, DagRun, float], None]:
    def mark(scene: NodeScene, run: DagRun, _seconds: float) -> None:
        scene.releases.mark_gate(run, state)

    return mark


def _run_failed(scene: NodeScene, run: DagRun, _seconds: float) -> None:
    scene.releases.mark_run(run, "failed")


_MARKED_GOOD, _RUN_MARKED = "gate marked success", "run marked failed"


def _on_shop(change: Callable[[Shop], None]) -> Callable[[NodeScene, DagRun, float], None]:
    return lambda scene, _run, _seconds: change(scene.shop)


def _weight_by_hand(scene: NodeScene, _run: DagRun, _seconds: float) -> None:
    hand.weight_changed(scene.shop)
    scene.watch.by_hand_at = time.time()


def _rights_away(scene: NodeScene, _run: DagRun, seconds: float) -> None:
    hand.rights_away(scene.shop, seconds)


FAULTS: dict[str, Callable[[NodeScene, DagRun, float], None]] = {
    "canary is deleted": _on_shop(hand.canary_deleted),
    "canary is scaled to 0": _on_shop(hand.canary_scaled),
    "stable is scaled": _on_shop(hand.stable_scaled),
    "stable is rolled": _on_shop(hand.stable_rolled),
    "weight is set by hand": _weight_by_hand,
    "record is removed": _on_shop(hand.record_removed),
    "rights are away": _rights_away,
    "gate marked failed": _mark_gate("failed"),
    _MARKED_GOOD: _mark_gate("success"),
    _RUN_MARKED: _run_failed,
}


def play(scene: NodeScene, schedule: Schedule) -> list[str]:
    """Play one schedule and leave the shop as it was; return what must not have happened."""
    try:
        found = _play(scene, schedule)
    except Exception as error:
        found = [f"did not come to an end: {error!r}"]
    # What a schedule has left must not fall on the ones after it.
    try:
        _patiently(scene.put_right)
    except Exception as error:
        found.append(f"could not be put right: {error!r}")
    return found


def _play(scene: NodeScene, schedule: Schedule) -> list[str]:
    is_good = schedule.version == _GOOD
    name = scene.other() if is_good else schedule.version
    stable = scene.stable
    scene.releases.load.start(_REQUESTS_A_SECOND)
    try:
        with RouteWatch(scene.shop) as scene.watch:
            began = time.monotonic()
            run = _patiently(lambda: scene.releases.start(name, run_id=f"{schedule.number}-{name}"))
            for at, fault, seconds in schedule.faults:
                time.sleep(max(0.0, began + at - time.monotonic()))
                # What is not there (yet, or any more) cannot be broken: no fault.
                with contextlib.suppress(Exception):
                    FAULTS[fault](scene, run, seconds)
            done, outcome = _patiently(lambda: scene.releases.over(run))
            found = list(scene.watch.violations)
        if outcome is Outcome.PROMOTED:
            scene.stable = name
            found += _patiently(lambda: _wrongly_promoted(scene, schedule, done, name))
        else:
            found += _patiently(lambda: _wrongly_ended(scene, done, outcome, stable))
        over = time.time()
        time.sleep(1.0)
    finally:
        answers = scene.releases.load.stop()
    if outcome is not Outcome.PROMOTED:
        late = sum(one.version == name and one.sent > over for one in answers)
        found += only((f"{late} requests reached the canary after its end", late > 0))
    return found


def _wrongly_promoted(scene: NodeScene, schedule: Schedule, done: DagRun, name: str) -> list[str]:
    shop = scene.shop
    happened = {fault for _, fault, _ in schedule.faults}
    is_red = done.state != "success" and _RUN_MARKED not in happened
    return only(
        ("a bad version was promoted", schedule.version != _GOOD and _MARKED_GOOD not in happened),
        (f"promoted, and stable is {shop.stable_image()}", shop.stable_image() != image(name)),
        (f"promoted, and its run is {done.state}", is_red),
        (f"promoted, and left {shop.made()}", bool(shop.made())),
    )


def _wrongly_ended(
    scene: NodeScene, done: DagRun, outcome: Outcome | None, stable: str
) -> list[str]:
    shop = scene.shop
    # A gateway that was away asks more and more rarely whether its server is back.
    with contextlib.suppress(AssertionError):
        shop.until(
            lambda: shop.answers(20) == {stable: 20} and not shop.made(), "stable serves alone",
            _FOLLOWS_SECONDS,
        )  # fmt: skip
    weight, serves = shop.weights().get(CANARY, 0), shop.stable_image()
    return only(
        (f"{outcome}, and its run is {done.state}", done.state != "failed"),
        (f"{outcome}: {weight} % on the canary", weight > 0),
        (f"{outcome}: {shop.answers(20)} answer", shop.answers(20) != {stable: 20}),
        (f"{outcome}: stable is {serves}, not {stable}", serves != image(stable)),
        (f"{outcome}: left {shop.made()}", bool(shop.made())),
    )


def _gateway_killed(lab: KubeLab) -> None:
    lab.gateway.kill()
    lab.gateway.start()


@contextlib.contextmanager
def soak_airflow(
    lab: KubeLab, prometheus: Prometheus, postgres: Path, dags: Path, **others: str
) -> Iterator[AirflowLab]:
    """Yield an Airflow for many releases at once.

    :param others: further connections.
    """
    with PostgresServer(postgres) as database:
        settings: Settings = {
            "core": {"parallelism": 8},
            "rollout": {"live_seconds": 5},
            # The tasks of a scheduler that was killed begin anew within a minute, not after five.
            "scheduler": {
                "task_instance_heartbeat_timeout": 60,
                "orphaned_tasks_check_interval": 30,
                "scheduler_health_check_threshold": 15,
            },
            # What has changed is read at once in any case; to read all files again every 30 s
            # would take half of two processor cores.
            "dag_processor": {"min_file_process_interval": 3600},
        }
        links = {**connections(lab, prometheus), **others}
        with AirflowLab(
            dags,
            connections=links,
            database_url=database.url,
            settings=settings,
            preload=CLUSTER_MODULES,
        ) as airflow:
            yield airflow


def soak_on_node(
    lab: KubeLab,
    airflow: AirflowLab,
    *,
    services: Sequence[str],
    schedules: int,
    seed: int,
    minutes: float,
) -> int:
    """Play schedules on a node that runs, and return the exit code.

    :param services: namespaces that are made here; their DAGs are there already.
    """
    for name in services:
        airflow.wait_for_dag(name)
    scenes = [NodeScene(lab.namespace(name), airflow) for name in services]
    outages = {
        f"Airflow's {name} is killed": partial(airflow.restart, name)
        for name in ("triggerer", "scheduler", "api-server")
    }
    outages["the cluster's API server stands still"] = partial(lab.stop_api_server, _AWAY_SECONDS)
    outages["the cluster's API server is killed"] = partial(lab.kill_api_server, _AWAY_SECONDS)
    outages["the gateway is killed"] = partial(_gateway_killed, lab)
    soak = Soak(
        seed=seed,
        schedules=schedules,
        versions=(*([_GOOD] * len(_BAD)), *_BAD),
        faults=sorted(FAULTS),
        latest_seconds=_LATEST_FAULT_SECONDS,
        longest_seconds=_LONGEST_FAULT_SECONDS,
        until=time.monotonic() + minutes * 60.0,
        play=play,
    )
    return soak.run(scenes, outages, every=_OUTAGE_EVERY_SECONDS)


def main() -> int:
    """Run the soak; exit 1 when anything was violated."""
    parser = argparse.ArgumentParser(prog="make soak ARGS=--cluster")
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument(
        "--postgres", type=Path, default=max(Path("/").glob(_POSTGRES), default=None),
        help="a PostgreSQL server's program, for Airflow's records (default: Debian's newest)",
    )  # fmt: skip
    options = parser.parse_args()
    if missing := missing_here():
        parser.error(missing)
    if options.postgres is None:
        parser.error("there is no PostgreSQL; name its server's program with --postgres")
    with ExitStack() as stack:
        lab = stack.enter_context(KubeLab(node_binaries()))
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollout-prometheus-")))
        binary = find_binary("prometheus")
        assert binary is not None
        server = Prometheus(home, binary, lab.gateway.metrics_address)
        prometheus = stack.enter_context(running(server))
        dags = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollout-soak-")))
        for name in SERVICES:
            write_dag(dags, name)
        airflow = stack.enter_context(soak_airflow(lab, prometheus, options.postgres, dags))
        return soak_on_node(
            lab, airflow, services=SERVICES, schedules=options.schedules, seed=options.seed,
            minutes=options.minutes,
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
