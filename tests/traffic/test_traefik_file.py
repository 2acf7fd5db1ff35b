"""The router `traefik_file`: its file, its record and its compare."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.errors import PermanentAdapterError, SpecError
from airflow_rollout.release import (
    Action,
    Arm,
    ReleaseState,
    Token,
    TrafficSplit,
    decide_abort,
    decide_raise,
    is_expected,
)
from airflow_rollout.traffic.base import Feature, Lease, WriteConflict
from airflow_rollout.traffic.traefik_file import TraefikFileRouter
from airflow_rollout.wire import (
    FileContent,
    FileRead,
    FileReplace,
    FileReplaced,
    HttpRequest,
    NoteRead,
    NoteWrite,
    Request,
    Response,
)

TOKEN = Token(epoch="e1", owner="payment/run_1", digest="0123456789abcdef")
V1 = Arm(version="v1", target="http://10.0.0.1:80")
V2 = Arm(version="v2", target="http://10.0.0.2:80")
SPLIT = TrafficSplit(
    service="app", stable=V1, canary=V2, weight=10, state=ReleaseState.OPEN, token=TOKEN
)
ROUTER = TraefikFileRouter(service="app", namespace="prod")


class Directory:
    """A file store in memory that keeps the promises of `FileRead` and `FileReplace`."""

    def __init__(self, content: bytes | None = None) -> None:
        self.content = content
        self.names: set[str] = set()
        self.writes = 0
        self.urgent: list[bool] = []
        self.before_replace: bytes | None = None

    async def __call__(self, request: Request) -> Response:
        assert not isinstance(request, HttpRequest)
        self.names.add(request.name)
        if isinstance(request, FileRead):
            return FileContent(content=self.content)
        assert isinstance(request, FileReplace)
        if self.before_replace is not None:
            self.content = self.before_replace
        if self.content != request.expected:
            return FileReplaced(replaced=False, content=self.content)
        self.content = request.content
        self.writes += 1
        self.urgent.append(request.is_urgent)
        return FileReplaced(replaced=True, content=request.content)


def read(content: bytes | None, router: TraefikFileRouter = ROUTER) -> TrafficSplit | None:
    return asyncio.run(router.read(Directory(content)))


def served(split: TrafficSplit, router: TraefikFileRouter = ROUTER) -> dict[str, object]:
    loaded = yaml.safe_load(router.render(split))
    assert set(loaded) == {"http"}
    return dict(loaded["http"])


def test_it_promises_conditional_writes_read_back_and_a_lease() -> None:
    assert ROUTER.features == {
        Feature.WEIGHTS,
        Feature.CONDITIONAL_WRITE,
        Feature.READ_BACK,
        Feature.LEASE,
    }


def test_only_the_way_back_does_not_wait_for_the_disk() -> None:
    for state, is_urgent in (
        (ReleaseState.OPEN, False),
        (ReleaseState.SEALED, True),
        (ReleaseState.RELEASED, False),
    ):
        directory = Directory()
        asyncio.run(ROUTER.write(replace(SPLIT, state=state), None, directory))
        assert directory.urgent == [is_urgent]


def test_lease_is_a_note_beside_the_file_and_no_change_of_it() -> None:
    notes: dict[str, bytes] = {}

    async def send(request: Request) -> Response:
        if isinstance(request, NoteWrite):
            notes[request.name] = request.content
            return FileReplaced(replaced=True, content=None)
        assert isinstance(request, NoteRead)
        return FileContent(content=notes.get(request.name))

    lease = Lease(epoch="e", holder="shop/run", renewed_at=12.5)
    assert asyncio.run(ROUTER.read_lease(send)) is None
    asyncio.run(ROUTER.renew_lease(lease, send))
    assert asyncio.run(ROUTER.read_lease(send)) == lease
    assert [name.endswith(".lease") for name in notes] == [True]
    notes[next(iter(notes))] = b"{"
    assert asyncio.run(ROUTER.read_lease(send)) is None


def test_both_arms_get_their_exact_share() -> None:
    assert served(SPLIT) == {
        "services": {
            "app": {
                "weighted": {
                    "services": [
                        {"name": "app-stable", "weight": 90},
                        {"name": "app-canary", "weight": 10},
                    ]
                }
            },
            "app-stable": {"loadBalancer": {"servers": [{"url": "http://10.0.0.1:80"}]}},
            "app-canary": {"loadBalancer": {"servers": [{"url": "http://10.0.0.2:80"}]}},
        }
    }


def test_the_files_shape_is_the_same_at_every_weight() -> None:
    shapes = {
        ROUTER.render(replace(SPLIT, weight=weight)).count(b"\n") for weight in (0, 1, 50, 100)
    }
    assert len(shapes) == 1


def test_a_first_release_serves_nobody_until_its_version_is_stable() -> None:
    services = served(replace(SPLIT, stable=None, weight=0))["services"]
    assert isinstance(services, dict)
    assert services["app"]["weighted"]["services"] == [{"name": "app-canary", "weight": 0}]
    assert "app-stable" not in services


def test_a_released_version_serves_alone() -> None:
    released = replace(SPLIT, stable=V2, canary=None, weight=0, state=ReleaseState.RELEASED)
    services = served(released)["services"]
    assert isinstance(services, dict)
    assert services["app"]["weighted"]["services"] == [{"name": "app-stable", "weight": 100}]
    assert set(services) == {"app", "app-stable"}


def test_an_arm_on_several_machines_is_several_servers() -> None:
    fleet = Arm(version="v1", target="http://10.0.0.1:80, https://[fd00::2]:8443/")
    split = replace(SPLIT, stable=fleet)
    services = served(split)["services"]
    assert isinstance(services, dict)
    urls = [s["url"] for s in services["app-stable"]["loadBalancer"]["servers"]]
    assert urls == ["http://10.0.0.1:80", "https://[fd00::2]:8443"]
    assert read(ROUTER.render(split)) == split


def test_a_rule_makes_the_file_hold_the_router_too() -> None:
    router = TraefikFileRouter(
        service="app", namespace="prod", rule="PathRegexp(`^/{{x}}`)", entry_points=("web", "tls")
    )
    assert served(SPLIT, router)["routers"] == {
        "app": {"rule": "PathRegexp(`^/{{x}}`)", "service": "app", "entryPoints": ["web", "tls"]}
    }
    assert b"{{" not in router.render(SPLIT)


@pytest.mark.parametrize(
    "target",
    [
        "", "10.0.0.1:80", "ftp://a", "http://", "http://a/base", "http://a?x=1", "http://a#f",
        "http://user:pw@a", "http://a:0", "http://a:99999", "http://a b", 'http://a"', "http://{a}",
        "http://a,,http://b", "http://a\nb", "http://ä",
    ],
)  # fmt: skip
def test_a_target_that_is_no_address_is_refused_before_anything_is_written(target: str) -> None:
    directory = Directory()
    split = replace(SPLIT, canary=Arm(version="v2", target=target))
    with pytest.raises(PermanentAdapterError, match="target"):
        asyncio.run(ROUTER.write(split, None, directory))
    assert directory.content is None


@pytest.mark.parametrize("weight", [-1, 101])
def test_a_weight_out_of_bounds_is_refused(weight: int) -> None:
    with pytest.raises(PermanentAdapterError, match="0-100"):
        ROUTER.render(replace(SPLIT, weight=weight))


@pytest.mark.parametrize("name", ["", "A", "a@b", "a/b", "..", "a b", "-a", "a{{b}}"])
def test_a_name_that_traefik_or_the_file_system_would_not_take_is_refused(name: str) -> None:
    with pytest.raises(SpecError):
        TraefikFileRouter(service=name, namespace="prod")
    with pytest.raises(SpecError):
        TraefikFileRouter(service="app", namespace=name)


def test_no_file_is_no_record() -> None:
    assert read(None) is None


TEXT = st.text(max_size=60)


@given(
    weight=st.integers(0, 100),
    version=TEXT,
    reason=TEXT,
    owner=TEXT,
    state=st.sampled_from(ReleaseState),
    arms=st.sampled_from([(V1, V2), (None, V2), (V1, None)]),
)
def test_whatever_is_written_is_read_back(
    weight: int,
    version: str,
    reason: str,
    owner: str,
    state: ReleaseState,
    arms: tuple[Arm | None, Arm | None],
) -> None:
    stable, canary = arms
    if stable is None or canary is None:
        weight = 0  # one arm alone has no share to split
    split = TrafficSplit(
        service="app",
        stable=stable,
        canary=None if canary is None else replace(canary, version=version),
        weight=weight,
        state=state,
        token=replace(TOKEN, owner=owner),
        reason=reason,
    )
    content = ROUTER.render(split)
    assert read(content) == split
    assert content.isascii()
    assert b"{{" not in content
    assert b"}}}" not in content
    assert content.count(b"\n# ") == 1
    assert yaml.safe_load(content)["http"]["services"]


def test_a_write_replaces_the_one_file_of_the_service() -> None:
    directory = Directory()
    asyncio.run(ROUTER.write(SPLIT, None, directory))
    asyncio.run(ROUTER.write(replace(SPLIT, weight=20), SPLIT, directory))
    assert directory.names == {"prod.app.yaml"}
    assert read(directory.content) == replace(SPLIT, weight=20)


def test_a_write_on_something_else_than_expected_is_a_conflict_and_changes_nothing() -> None:
    sealed = replace(SPLIT, weight=0, state=ReleaseState.SEALED, reason="aborted")
    directory = Directory(ROUTER.render(sealed))
    for expected in (SPLIT, None):
        with pytest.raises(WriteConflict) as caught:
            asyncio.run(ROUTER.write(replace(SPLIT, weight=20), expected, directory))
        assert caught.value.found == sealed
    assert directory.writes == 0


def test_a_file_that_was_deleted_is_a_conflict() -> None:
    with pytest.raises(WriteConflict) as caught:
        asyncio.run(ROUTER.write(replace(SPLIT, weight=20), SPLIT, Directory()))
    assert caught.value.found is None


@pytest.mark.parametrize("state", [ReleaseState.OPEN, ReleaseState.SEALED])
def test_somebody_who_writes_between_read_and_replace_wins(state: ReleaseState) -> None:
    other = replace(SPLIT, weight=0, state=state)
    directory = Directory(ROUTER.render(SPLIT))
    directory.before_replace = ROUTER.render(other)
    with pytest.raises(WriteConflict) as caught:
        asyncio.run(ROUTER.write(replace(SPLIT, weight=20), SPLIT, directory))
    assert caught.value.found == other
    assert read(directory.content) == other


def test_writing_what_is_there_already_is_done() -> None:
    directory = Directory(ROUTER.render(SPLIT))
    assert asyncio.run(ROUTER.write(SPLIT, None, directory)) == SPLIT
    assert directory.writes == 0


def test_a_changed_rule_is_written_with_the_next_write() -> None:
    directory = Directory(ROUTER.render(SPLIT))
    router = TraefikFileRouter(service="app", namespace="prod", rule="Host(`a`)")
    asyncio.run(router.write(SPLIT, SPLIT, directory))
    assert directory.content is not None
    assert b"Host(`a`)" in directory.content


def edited(old: str, new: str) -> TrafficSplit | None:
    text = ROUTER.render(SPLIT).decode()
    assert old in text
    return read(text.replace(old, new).encode())


def test_a_weight_changed_by_hand_is_what_was_found() -> None:
    assert edited("weight: 10\n", "weight: 30\n") == replace(SPLIT, weight=25)


def test_a_share_that_is_no_whole_percent_is_rounded_up() -> None:
    assert edited("weight: 90\n", "weight: 9999\n") == replace(SPLIT, weight=1)


def test_a_server_changed_by_hand_is_what_was_found() -> None:
    found = edited('- url: "http://10.0.0.2:80"', '- url: "http://6.6.6.6:80"')
    assert found == replace(SPLIT, canary=Arm(version="v2", target="http://6.6.6.6:80"))


def test_a_server_added_by_hand_is_what_was_found() -> None:
    line = '          - url: "http://10.0.0.1:80"\n'
    found = edited(line, line + line.replace("0.1", "0.9"))
    assert found is not None
    assert found.stable == Arm(version="v1", target="http://10.0.0.1:80,http://10.0.0.9:80")


def test_a_service_that_was_cut_out_serves_nothing() -> None:
    record = b"\n".join(ROUTER.render(SPLIT).split(b"\n")[:2]) + b"\n"
    assert read(record) == replace(SPLIT, weight=0)


DAMAGE = [
    ("weight: 10\n", "weight: -5\n"),
    ("weight: 10\n", 'weight: "10"\n'),
    ("weight: 10\n", "weight: 1.5\n"),
    ("weight: 10\n", "weight: true\n"),
    ('- url: "http://10.0.0.1:80"', '- url: "http://10.0.0.1:80/base"'),
    ('- url: "http://10.0.0.2:80"', "- url: 5"),
    ("  services:\n", "  services: [\n"),
    ("http:\n", "http: {{ .Env }}\n"),
]


@pytest.mark.parametrize(("old", "new"), DAMAGE)
def test_a_damaged_file_stops_its_release_and_is_made_whole_by_the_stop(old: str, new: str) -> None:
    text = ROUTER.render(SPLIT).decode()
    assert old in text
    directory = Directory(text.replace(old, new, 1).encode())
    found = asyncio.run(ROUTER.read(directory))
    assert found is not None
    assert "damaged" in is_expected(found, token=TOKEN, canary=V2, weight=10)
    refused = decide_raise(found, token=TOKEN, canary=V2, weight=20, previous_weight=10)
    assert refused.action is Action.REFUSE
    stop = decide_abort(found, epoch="e1", owner=TOKEN.owner, reason="stopped").split
    assert stop is not None
    asyncio.run(ROUTER.write(stop, found, directory))
    assert directory.content is not None
    weights = yaml.safe_load(directory.content)["http"]["services"]["app"]["weighted"]["services"]
    assert [w["weight"] for w in weights] == [100, 0]
    after = read(directory.content)
    assert after is not None
    assert (after.weight, after.state, after.stable) == (0, ReleaseState.SEALED, V1)


def test_a_damaged_file_of_a_released_version_is_its_record() -> None:
    released = replace(SPLIT, stable=V2, canary=None, weight=0, state=ReleaseState.RELEASED)
    assert read(ROUTER.render(released) + b"  - [\n") == released


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 records"),
        (b"http: {}\n", "0 records"),
        (ROUTER.render(SPLIT) * 2, "2 records"),
        (ROUTER.render(SPLIT).replace(b'"schema": 1', b'"schema": 2'), "another version"),
        (ROUTER.render(SPLIT).replace(b'"epoch"', b'"epic"'), "damaged"),
        (ROUTER.render(SPLIT).replace(b'{"schema"', b"{schema"), "damaged"),
        (TraefikFileRouter(service="b", namespace="p").render(replace(SPLIT, service="b")), "'b'"),
        (b"\xff\xfe", "0 records"),
    ],
)
def test_a_file_that_cannot_be_ours_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(PermanentAdapterError, match=words):
        read(content)


@given(st.binary(max_size=200))
def test_any_file_ends_in_a_split_or_an_adapter_error(junk: bytes) -> None:
    record = b"\n".join(ROUTER.render(SPLIT).split(b"\n")[:2]) + b"\n"
    for content in (junk, record + junk):
        try:
            found = read(content)
        except PermanentAdapterError:
            continue
        assert found is not None
        assert 0 <= found.weight <= 100
