"""`airflow-rollout lint`: what is wrong, where, and what a call must still say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_rollout.cli.main import main

CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: shop, namespace: market}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  analysis:
    interval: 30s
    threshold: 3
    stepWeight: 20
    maxWeight: 60
    metrics:
    - {name: request-success-rate, thresholdRange: {min: 99}}
"""
HOOKS = """\
    webhooks:
    - {name: smoke, type: pre-rollout, url: "http://smoke/"}
    - {name: load, url: "http://load/"}
"""
ROLLOUT = """\
apiVersion: airflow-rollout/v1
kind: Rollout
metadata: {name: basket}
spec:
  workload: {kind: endpoints}
  traffic: {router: traefik_file, conn_id: edge}
  canary: {steps: [{weight: 5, hold: 2m}]}
  analysis:
    source: {provider: scrape, conn_id: metrics, every: 1s}
    metrics: [{name: http_500_rate, max: 1%}]
"""
SAID = ["--router", "traefik_file", "--router-conn-id", "edge", "--workload", "endpoints",
        "--provider", "scrape", "--provider-conn-id", "metrics", "--every", "1s"]  # fmt: skip


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def _write(name: str, text: str) -> str:
        Path(name).write_text(text)
        return name

    return _write


def test_good_files_are_ok(write, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write("shop.yaml", CANARY), write("basket.yaml", ROLLOUT)]
    assert main(["lint", *files]) == 0
    out = capsys.readouterr().out
    assert "shop.yaml: ok\n  flagger rollout shop in market, weights 20, 40, 60, 100\n" in out
    assert "basket.yaml: ok\n  native rollout basket in default, weights 5, 100\n" in out


def test_a_wrong_file_is_named_with_line_and_path_and_fails_all(
    write, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = write("wrong.yaml", CANARY.replace("stepWeight: 20", "stepWeight: -20"))
    assert main(["lint", wrong, write("shop.yaml", CANARY)]) == 1
    out = capsys.readouterr().out
    assert (
        "wrong.yaml:9: spec.analysis.stepWeight: is too small; found -20; allowed: at least 1\n"
        in out
    )
    assert "shop.yaml: ok" in out


def test_missing_bindings_are_no_fault_and_are_named(
    write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write("shop.yaml", CANARY)
    assert main(["lint", file, "--router", "traefik_file", "--every", "1s"]) == 0
    assert (
        "must say: router_conn_id, workload, provider, provider_conn_id\n"
        in capsys.readouterr().out
    )
    assert main(["lint", file, *SAID]) == 0
    assert "must say" not in capsys.readouterr().out


def test_fields_that_are_not_executed_are_listed_with_the_reason_and_are_no_fault(
    write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write("shop.yaml", CANARY + HOOKS)
    assert main(["lint", file]) == 0
    out = capsys.readouterr().out
    assert "refused by rollout_dag(...) unless `ignore` names them" in out
    assert "    spec.analysis.webhooks[0]: the hook is not called\n" in out
    assert main(["lint", file, "--ignore", "spec.analysis.webhooks"]) == 0
    out = capsys.readouterr().out
    assert "refused" not in out
    assert "as agreed" in out


def test_json_says_the_same(write, capsys: pytest.CaptureFixture[str]) -> None:
    good, wrong = write("shop.yaml", CANARY + HOOKS), write("wrong.yaml", "kind: a: b")
    assert (
        main(["lint", good, wrong, "--format", "json", "--ignore", "spec.analysis.webhooks[1]"])
        == 1
    )
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "file": "shop.yaml",
        "ok": True,
        "name": "shop",
        "namespace": "market",
        "dialect": "flagger",
        "weights": [20, 40, 60, 100],
        "missing": [
            "router", "router_conn_id", "workload", "provider", "provider_conn_id", "every",
        ],
        "unsupported": [{"path": "spec.analysis.webhooks[0]", "why": "the hook is not called"}],
        "ignored": [{"path": "spec.analysis.webhooks[1]", "why": "the hook is not called"}],
    }  # fmt: skip
    assert (second["file"], second["ok"]) == ("wrong.yaml", False)
    assert second["error"]["line"] == 1
    assert "not readable as YAML" in second["error"]["message"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("traefik_file", "istioo", "traefik_file"),
        ("scrape", "datacat", "prometheus, scrape"),
        ("endpoints", "statefulset", "endpoints"),
        ("kind: endpoints", "kind: endpoints, helth_path: /", "health_path"),
        ("every: 1s", "every: 1s, paht: /m", "path"),
        ("conn_id: edge", "conn_id: edge, rul: x", "rule"),
    ],
)
def test_unknown_adapters_and_options_are_refused_with_those_there_are(
    write, capsys: pytest.CaptureFixture[str], old: str, new: str, words: str
) -> None:
    assert main(["lint", write("basket.yaml", ROLLOUT.replace(old, new))]) == 1
    out = capsys.readouterr().out
    assert out.startswith("basket.yaml")
    assert words in out.partition("allowed:")[2]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("kind: endpoints", "kind: deployment", "workload.kind: does not go with router"),
        ("router: traefik_file", "router: replicas", "workload.kind: does not go with router"),
        ("provider: scrape", "provider: graphite", "graphite knows no built-in metrics"),
        (
            "{kind: endpoints}\n  traffic: {router: traefik_file",
            "{kind: deployment}\n  traffic: {router: replicas",
            "replicas counts no requests, so there are no built-in queries for it",
        ),
    ],
)
def test_adapters_that_do_not_fit_are_found_before_a_dag_names_them(
    write, capsys: pytest.CaptureFixture[str], before: str, after: str, words: str
) -> None:
    assert before in ROLLOUT
    assert main(["lint", write("wrong.yaml", ROLLOUT.replace(before, after))]) == 1
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("name", [".", "nowhere.yaml", "/dev/null", "a\udcffb.yaml"])
def test_what_cannot_be_read_is_an_answer_and_no_traceback(
    write, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["lint", name]) == 1
    captured = capsys.readouterr()
    assert "allowed: a YAML file" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize(
    "words", [[], ["lint"], ["lnit", "a.yaml"], ["lint", "a", "--every", "soon"],
              ["lint", "a", "--mode", "watch"], ["lint", "a", "--format", "xml"]],
)  # fmt: skip
def test_a_wrong_call_is_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "usage: airflow-rollout" in capsys.readouterr().err


def test_a_binding_that_means_nothing_is_said_without_a_traceback(
    write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lint", write("shop.yaml", CANARY), "--every", "1ms"]) == 1
    assert "airflow-rollout: <spec>: every: is out of range" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in ("lint", "plan"):
        assert f"    {command} " in out


def _in_a_process(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"PYTHONUTF8": "1"},
    )  # fmt: skip


def test_lint_and_plan_load_no_airflow(write) -> None:
    file = write("shop.yaml", CANARY)
    done = _in_a_process(
        "import sys; from airflow_rollout.cli.main import main;"
        f"main(['lint', '{file}']); main(['plan', '{file}']);"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('airflow', 'httpx')))"
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stderr == ""


def test_a_reader_that_goes_away_is_no_traceback(write) -> None:
    file = write("shop.yaml", CANARY)
    read, written = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import sys; from airflow_rollout.cli.main import main;"
             f"sys.exit(main(['lint'] + ['{file}'] * 50))"],
            stdout=written, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(written)
    assert done.stderr == ""
    assert done.returncode == 141
