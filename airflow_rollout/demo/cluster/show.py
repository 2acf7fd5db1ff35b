"""The demo on the user's own cluster."""

from __future__ import annotations

from rich.text import Text

from airflow_rollout.demo.cluster.lab import ClusterLab
from airflow_rollout.demo.cluster.login import ClusterLogin
from airflow_rollout.demo.cluster.objects import REPLICAS
from airflow_rollout.demo.cluster.story import ROLLOUT, STABLE, STORY
from airflow_rollout.demo.releasing import Releaser
from airflow_rollout.demo.screen import Screen
from airflow_rollout.demo.show import LIVE_SETTINGS, Show, ShowOptions

__all__ = ["ClusterShow"]

# Every release may have to fetch an image, onto every node.
_RELEASE_SECONDS = 600.0


class ClusterShow(Show):
    """Release images of Python in one namespace of a cluster.

    :param namespace: is made at the start and removed at the end.
    :param images: the images' name with `{version}` in it.
    """

    def __init__(
        self,
        options: ShowOptions,
        screen: Screen,
        login: ClusterLogin,
        *,
        namespace: str,
        images: str,
    ) -> None:
        super().__init__(options, screen, STORY)
        self._login = login
        self._namespace = namespace
        self._lab = ClusterLab(
            login, namespace, images=images, rate=options.rate, settings=LIVE_SETTINGS
        )
        self._releaser = Releaser(
            self._lab, screen, STORY, self._lab.offer,
            stable=STABLE.shown.name, seconds=_RELEASE_SECONDS,
        )  # fmt: skip

    @property
    def lab(self) -> ClusterLab:
        """Return the lab in the cluster."""
        return self._lab

    @property
    def releaser(self) -> Releaser:
        """Return who releases, beside the version that runs."""
        return self._releaser

    @property
    def where(self) -> tuple[str, str]:
        """Return what shows the pods that come and go."""
        command = f"kubectl --context {self._login.context} -n {self._namespace} get pods -w"
        return "cluster", command

    def start(self) -> None:
        """Start the service in the cluster and Airflow here, then the load."""
        said = (
            f"Works on context {self._login.context} ({self._login.server}), in namespace "
            f"{self._namespace} alone, which it makes now and removes at the end."
        )
        self.screen.show(Text(said))
        with self.screen.waiting(f"Namespace {self._namespace}"):
            self._lab.make()
        # Images are fetched meanwhile.
        self.start_airflow(ROLLOUT)
        with self.screen.waiting(f"{ROLLOUT} {STABLE.shown.name}: {REPLICAS} pods"):
            self._lab.wait_pods()
        with self.screen.waiting(f"{self.options.rate:g} requests a second"):
            self._lab.start_load()

    def before_releases(self) -> None:
        """Do nothing: what runs already is the stable version."""

    def end(self) -> None:
        """End Airflow and remove the namespace."""
        removing = f", removing namespace {self._namespace}" if self._lab.is_made else ""
        self.screen.show(Text(f"Ending Airflow{removing}", style="dim"))
        if not self._lab.close():
            text = f"Namespace {self._namespace} is being removed; the cluster is not done yet."
            self.screen.show(Text(text, style="dim"))
