"""A service in the user's cluster, load on it, and an Airflow here that releases it."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from airflow_rollout.cli.release import release_conf
from airflow_rollout.cluster import RawObject, annotations_of, condition
from airflow_rollout.demo.airflow import COMPONENTS, AirflowLab
from airflow_rollout.demo.airflow_settings import CLUSTER_MODULES, Settings
from airflow_rollout.demo.answers import AnswerTail
from airflow_rollout.demo.cluster.login import ClusterLogin
from airflow_rollout.demo.cluster.objects import LOAD_POD, deployment, load_pod, scripts, service
from airflow_rollout.demo.cluster.page import ArmsPage
from airflow_rollout.demo.cluster.place import Place
from airflow_rollout.demo.cluster.relay import AnswerRelay
from airflow_rollout.demo.cluster.story import (
    LOAD_CONN_ID,
    ROLLOUT,
    ROUTER_CONN_ID,
    STABLE,
    image_of,
    write_dags,
)
from airflow_rollout.demo.example import DemoVersion
from airflow_rollout.demo.processes import LabError, Processes
from airflow_rollout.errors import RolloutError
from airflow_rollout.traffic.records import decode_record
from airflow_rollout.workloads.pod_faults import is_rolled_out, ready_text, workload_fault

__all__ = ["ClusterLab"]

# Every node may have to fetch the image over a slow line.
_PODS_SECONDS = 300.0
_ANSWERS_SECONDS = 60.0
_POLL_SECONDS = 0.5
# Drawing asks more often than a picture changes.
_WEIGHT_SECONDS = 1.0


class ClusterLab:
    """Put the parts together; whoever makes one closes it.

    :param name: the namespace, which this lab makes and removes.
    :param images: the images' name with `{version}` in it.
    """

    def __init__(
        self, login: ClusterLogin, name: str, *, images: str, rate: float, settings: Settings
    ) -> None:
        self._images = images
        self._rate = rate
        self._place = Place(login, name)
        self.home = Path(tempfile.mkdtemp(prefix="rollout-lab-"))
        self._processes = Processes(self.home / "logs", remove=self.home)
        self._page = ArmsPage()
        self._relay = AnswerRelay(
            self._place.follow_log, self.answers_path(ROLLOUT), self._page.take
        )
        self._weight: tuple[float, int | None] = (-math.inf, None)
        metrics = json.dumps({"conn_type": "http", "host": self._page.url})
        self._airflow = AirflowLab(
            write_dags(self.home / "dags", name),
            connections={ROUTER_CONN_ID: login.connection, LOAD_CONN_ID: metrics},
            home=self.home / "airflow",
            settings=settings,
            preload=CLUSTER_MODULES,
            processes=self._processes,
        )
        self._page.start()

    @property
    def airflow(self) -> AirflowLab:
        """Return the Airflow."""
        return self._airflow

    def make(self) -> None:
        """Make namespace, service and its pods; they are ready some time later.

        :raises ClusterUnfit: the demo cannot run on this cluster.
        """
        self._place.make()
        self._place.create(scripts(), service(), deployment(self._images))

    def wait_pods(self) -> None:
        """Wait until the stable version serves; `LabError` says what keeps its pods from it."""
        deadline = time.monotonic() + _PODS_SECONDS
        while True:
            found = self._place.get_deployment(ROLLOUT)
            if is_rolled_out(found):
                return
            # As if it were long ago: a cluster that makes room by itself may take its minute.
            fault = workload_fault(found, self._place.pods(f"app={ROLLOUT}"), at=0.0)
            if fault is not None and fault.is_final:
                raise LabError(f"the stable version cannot run: {fault.text}")
            if time.monotonic() > deadline:
                why = f" ({fault.text})" if fault else ""
                raise LabError(f"{ready_text(found)} after {_PODS_SECONDS:g} s{why}")
            time.sleep(_POLL_SECONDS)

    def start_load(self) -> None:
        """Send requests to the Service and wait until they are answered."""
        address = self._place.get_service(ROLLOUT)["spec"]["clusterIP"]
        self._place.create(load_pod(self._images, address=address, rate=self._rate))
        self._page.compare(stable=STABLE.shown.name, canary="")
        self._wait_load_pod()
        self._relay.start()
        self._wait_answers(address)

    def offer(self, version: DemoVersion, stable: str) -> dict[str, Any]:
        """Return a release's conf; its gates compare these versions from now on."""
        self._page.compare(stable=stable, canary=version.name)
        return release_conf(version.name, image=image_of(version.name, self._images))

    def check_running(self) -> None:
        """Raise `LabError` if Airflow or the load has died."""
        for child in (self._processes[name] for name in COMPONENTS if name in self._processes):
            if not child.is_running:
                raise LabError(
                    f"{child.name} has ended with code {child.exit_code}; "
                    f"its log ends with:\n{child.tail()}"
                )
        self._relay.check()

    def answers_path(self, service: str) -> Path:
        """Return the file with the answers that the load has seen."""
        return self.home / f"answers-{service}.txt"

    def answer_tail(self, service: str) -> AnswerTail:
        """Return a reader that gives the answers piece by piece."""
        return AnswerTail(self.answers_path(service))

    def live_weight(self, service: str) -> int | None:
        """Return the weight that the Service's record says, which its selector was set with."""
        asked_at, weight = self._weight
        if time.monotonic() - asked_at > _WEIGHT_SECONDS:
            weight = self._recorded_weight(service)
            self._weight = (time.monotonic(), weight)
        return weight

    @property
    def is_made(self) -> bool:
        """Tell whether there may be a namespace of this lab's."""
        return self._place.is_made

    def close(self) -> bool:
        """End everything; return whether the namespace is gone already.

        :raises LabError: it could not be deleted.
        """
        try:
            self._relay.stop()
            self._page.close()
            # Airflow first, so that nothing acts on what is being removed.
            self._processes.close()
            self._airflow.close()
        finally:
            try:
                is_gone = self._place.remove()
            finally:
                shutil.rmtree(self.home, ignore_errors=True)
        return is_gone

    def _wait_load_pod(self) -> None:
        deadline = time.monotonic() + _PODS_SECONDS
        while True:
            pods = self._place.pods(f"app={LOAD_POD}")
            if any(_runs(pod) for pod in pods):
                return
            if time.monotonic() > deadline:
                why = "; ".join(_waits_for(pod) for pod in pods) or "it is gone"
                raise LabError(f"pod {LOAD_POD} does not run after {_PODS_SECONDS:g} s: {why}")
            time.sleep(_POLL_SECONDS)

    def _wait_answers(self, address: str) -> None:
        """Wait until the stable version answers; a cluster may need a moment for a Service."""
        deadline = time.monotonic() + _ANSWERS_SECONDS
        while True:
            arm = self._page.arm("stable") or {}
            if arm.get("error_share") == 0.0:
                return
            self._relay.check()
            if time.monotonic() > deadline:
                raise LabError(
                    f"the load in the cluster gets no answer from Service {ROLLOUT} ({address}) "
                    f"without an error after {_ANSWERS_SECONDS:g} s: {arm or 'no request'}"
                )
            time.sleep(_POLL_SECONDS)

    def _recorded_weight(self, service: str) -> int | None:
        try:
            found = self._place.get_service(service)
            text = annotations_of(found).get(f"{service}.airflow-rollout/record")
            return decode_record(text, system="demo").weight if text else 0
        except RolloutError as error:
            raise OSError(str(error)) from None


def _waits_for(pod: RawObject) -> str:
    status = pod.get("status") or {}
    scheduled = condition(pod, "PodScheduled").get("message")
    waiting = [
        (one.get("state") or {}).get("waiting") for one in status.get("containerStatuses") or []
    ]
    reasons = [str(one.get("message") or one.get("reason")) for one in waiting if one]
    return ", ".join(filter(None, [status.get("phase"), scheduled, *reasons]))


def _runs(pod: RawObject) -> bool:
    return bool((pod.get("status") or {}).get("phase") == "Running")
