"""`airflow-rollout calibrate`: what history says about a rollout's rules."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from airflow_rollout.cli.main import main

_SPECS = Path(__file__).parents[2] / "dags" / "specs"
CHECKOUT = str(_SPECS / "checkout.yaml")
PAYMENT = str(_SPECS / "payment-service.yaml")
HEADER = "seconds,canary_requests,canary_bad,stable_requests,stable_bad"


def history(
    tmp_path: Path, *, share: float, cluster: int = 1, spans: int = 240, seed: int = 3
) -> str:
    """Stable counts every 15 s: 1500 requests, errors in clusters."""
    draw, rows = random.Random(seed), [HEADER]
    for number in range(1, spans + 1):
        clusters = sum(draw.random() < share / cluster for _ in range(1500))
        rows.append(f"{15 * number},0,0,1500,{min(1500, clusters * cluster)}")
    path = tmp_path / "history.csv"
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def calibrate(capsys: pytest.CaptureFixture[str], *words: str, releases: int = 10) -> dict:
    assert main(["calibrate", *words, "--format", "json", "--releases", str(releases)]) == 0
    return json.loads(capsys.readouterr().out)


def rates(told: dict) -> dict[str, float]:
    return {rule["name"]: rule["false_rollback_rate"] for rule in told["rules"]}


def test_every_rule_is_judged_alone_and_the_whole_gate_at_last(tmp_path, capsys):
    told = calibrate(capsys, CHECKOUT, "--counts", history(tmp_path, share=0.002))
    assert [rule["name"] for rule in told["rules"]] == [
        "comparison", "guardrail http_500_rate", "counted check http_500_rate", "the whole gate",
    ]  # fmt: skip
    assert set(rates(told).values()) == {0.0}
    assert told["not_judged"] == ["p99_latency"]
    (metric,) = told["metrics"]
    assert metric["requests_per_second"] == 100.0
    assert metric["share"] == pytest.approx(0.002, rel=0.2)


def test_a_limit_too_near_to_what_is_normal_is_told_by_its_rate(tmp_path, capsys):
    """0.6 % of the requests fail all the time, and the file's limit is 0.5 %."""
    told = calibrate(capsys, PAYMENT, "--counts", history(tmp_path, share=0.006))
    found = rates(told)
    assert found["comparison"] == 0.0
    assert found["counted check request-success-rate"] > 0.8
    assert found["the whole gate"] >= found["counted check request-success-rate"]


def test_clusters_are_measured_and_a_phi_that_is_too_small_is_a_warning(tmp_path, capsys):
    clustered = history(tmp_path, share=0.005, cluster=10)
    told = calibrate(capsys, CHECKOUT, "--counts", clustered, releases=1)
    assert told["dispersion"]["configured"] == 1.0
    assert 7.0 < told["dispersion"]["measured"] < 14.0
    assert main(["calibrate", CHECKOUT, "--counts", clustered, "--releases", "1"]) == 0
    assert "WARNING: dispersion 1 is used" in capsys.readouterr().out


def test_larger_faults_are_noticed_sooner(tmp_path, capsys):
    told = calibrate(capsys, CHECKOUT, "--counts", history(tmp_path, share=0.004))
    found = {f["fault"]: f for f in told["faults"] if f["rule"] == "comparison"}
    five, whole = found["5x the errors"], found["every request fails"]
    assert five["stopped"] == five["releases"] == whole["stopped"] == 10
    assert whole["seconds"] == 30.0  # two intervals that agree
    assert whole["bound_seconds"] < five["bound_seconds"] < five["seconds"]
    assert whole["failed_requests"] == pytest.approx(30 * 100 * 0.05, rel=0.25)


def test_the_same_seed_finds_the_same_and_another_one_draws_anew(tmp_path, capsys):
    counts = history(tmp_path, share=0.006)

    def found(seed: str) -> dict:
        return calibrate(capsys, PAYMENT, "--counts", counts, "--seed", seed, releases=4)

    assert found("1") == found("1")
    assert found("1")["faults"] != found("2")["faults"]


def test_little_history_is_no_phi(tmp_path, capsys):
    told = calibrate(
        capsys, CHECKOUT, "--counts", history(tmp_path, share=0.01, spans=30), releases=1
    )
    assert told["dispersion"]["measured"] is None


def test_people_read_it_in_eighty_columns(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    counts = history(tmp_path, share=0.006)
    assert main(["calibrate", PAYMENT, "--counts", counts, "--releases", "5"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("payment-service: 1h of the stable version, one answer every 15 s\n")
    assert "dispersion 4 is used (nobody has said it); measured, dispersion: 1" in out
    assert "this limit would stop" in out


def test_the_plot_shows_a_healthy_and_a_faulty_release(tmp_path, capsys):
    plot = tmp_path / "evidence.svg"
    counts = history(tmp_path, share=0.004)
    words = ["calibrate", CHECKOUT, "--counts", counts, "--releases", "1", "--plot", str(plot)]
    assert main(words) == 0
    root = ET.fromstring(plot.read_text())
    lines = [e for e in root.iter() if e.tag.endswith("polyline")]
    assert len(lines) == 2
    assert all(len(line.get("points").split()) > 3 for line in lines)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--plot", "/nowhere/at/all.svg"], "cannot be written"),
        (["--releases", "0"], "is no whole number from 1"),
        (["--counts", "/nowhere.csv"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(words, told, tmp_path, capsys):
    counts = [] if "--counts" in words else ["--counts", history(tmp_path, share=0.01, spans=4)]
    assert main(["calibrate", CHECKOUT, *counts, *words]) in (1, 2)
    assert told in capsys.readouterr().err


def test_a_flagger_file_alone_does_not_say_where_to_ask(capsys):
    assert main(["calibrate", PAYMENT]) == 1
    error = capsys.readouterr().err
    assert "--provider and --provider-conn-id and --router, or --counts" in error


def test_a_history_without_requests_is_an_error_that_says_what_to_do(tmp_path, capsys):
    path = tmp_path / "empty.csv"
    path.write_text(f"{HEADER}\n15,0,0,0,0\n30,0,0,0,0\n")
    assert main(["calibrate", CHECKOUT, "--counts", str(path)]) == 1
    assert "there is no history of the stable version" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("", "has a header and no rows"),
        ("15,0,0,9\n", "row 2: stable_bad: is empty"),
        ("15,0,0,9,10\n", "row 2: stable_bad: is more than the requests"),
        ("15,0,0,-9,0\n", "row 2: stable_requests: is negative"),
        ("30,0,0,9,0\n15,0,0,9,0\n", "row 3: seconds: rows must rise in time"),
        ("".join(f"{n},{n},0,{9 * n},0\n" for n in range(1, 40)), "these are counters"),
    ],
)
def test_rows_that_cannot_be_read_are_an_error_with_their_number(rows, told, tmp_path, capsys):
    path = tmp_path / "bad.csv"
    path.write_text(f"{HEADER}\n{rows}")
    assert main(["calibrate", CHECKOUT, "--counts", str(path)]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_gap_in_the_history_is_told(tmp_path, capsys):
    path = Path(history(tmp_path, share=0.01, spans=80))
    rows = path.read_text().splitlines()
    path.write_text("\n".join(rows[:30] + rows[50:]) + "\n")
    told = calibrate(capsys, CHECKOUT, "--counts", str(path))
    assert told["note"] == ("1 gap, the longest 315 s before row 31: counted as one interval each")


def test_of_a_long_file_its_end_is_the_history(tmp_path, capsys):
    path = history(tmp_path, share=0.01, spans=200)
    told = calibrate(capsys, CHECKOUT, "--counts", path, "--history", "20m")
    assert told["history_seconds"] == 1200.0


# --- through the rollout's own source ---


class _Page(BaseHTTPRequestHandler):
    """A router's page whose stable arm serves 40 requests between two looks, 4 of them bad."""

    looks = 0

    def do_GET(self) -> None:
        type(self).looks += 1
        labels = 'method="GET",protocol="http",service="checkout-stable@file"'
        seconds = "traefik_service_request_duration_seconds"
        good, bad = 36 * self.looks, 4 * self.looks
        lines = [
            "traefik_config_reloads_total 1",
            f'traefik_service_requests_total{{code="200",{labels}}} {good}',
            f'traefik_service_requests_total{{code="500",{labels}}} {bad}',
            f'{seconds}_bucket{{code="200",{labels},le="0.4"}} {good}',
            f'{seconds}_bucket{{code="200",{labels},le="+Inf"}} {good + bad}',
        ]
        body = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def page() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def _conns(tmp_path: Path, page: str) -> list[str]:
    router = {"conn_type": "traefik", "host": page, "extra": {"directory": str(tmp_path)}}
    source = {"conn_type": "http", "host": page}
    return [
        "--conn", f"traefik_default={json.dumps(router)}",
        "--conn", f"traefik_metrics={json.dumps(source)}",
    ]  # fmt: skip


def test_a_page_is_watched_for_a_while(page, tmp_path, capsys):
    told = calibrate(capsys, CHECKOUT, *_conns(tmp_path, page), "--watch", "3500ms", releases=1)
    found = {metric["name"]: metric for metric in told["metrics"]}
    assert found["http_500_rate"]["share"] == pytest.approx(0.1)
    assert found["p99_latency"]["share"] == pytest.approx(0.1)
    assert found["p99_latency"]["counted"] == "requests slower than 0.4 s"


def test_a_page_alone_is_no_history(page, tmp_path, capsys):
    assert main(["calibrate", CHECKOUT, *_conns(tmp_path, page), "--history", "1m"]) == 1
    error = capsys.readouterr().err
    assert "a source that keeps no history needs --watch" in error


def test_a_source_that_cannot_be_asked_is_an_error_with_its_reason(tmp_path, capsys):
    words = _conns(tmp_path, "http://127.0.0.1:9")
    assert main(["calibrate", CHECKOUT, *words, "--history", "1m"]) == 1
    assert "http_500_rate: scrape:" in capsys.readouterr().err
