"""`airflow-rollout lint FILE...`: say what is wrong in rollout files, without Airflow."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_rollout.cli.said import KNOWN, add_said_options, check_adapters, said_bindings
from airflow_rollout.errors import SpecError
from airflow_rollout.spec.bindings import Bindings
from airflow_rollout.spec.dialects import why_unsupported
from airflow_rollout.spec.loader import load_spec, missing_bindings
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["add_parser", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What lint found in one file: a spec, or the error that stands in its way."""

    file: str
    spec: RolloutSpec | None = None
    missing: tuple[str, ...] = ()
    error: SpecError | None = None


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "lint",
        help="check rollout files and say what is wrong, and where",
        description="Check rollout files. Exit code 1 if one of them cannot be released; fields "
        "that are not executed are listed and are no fault.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    add_said_options(parser)


def run(args: argparse.Namespace) -> int:
    """Check every file and print what was found."""
    bindings = said_bindings(args)
    findings = [_check(file, bindings, args.ignore) for file in args.files]
    if args.format == "json":
        print(json.dumps([_as_json(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print("\n".join(_as_text(finding)))
    return 1 if any(finding.error for finding in findings) else 0


def _check(file: str, bindings: Bindings, ignore: Sequence[str]) -> _Finding:
    try:
        spec = load_spec(file, bindings=bindings.filled(), ignore=ignore, known=KNOWN)
        check_adapters(spec)
        return _Finding(file=file, spec=spec, missing=missing_bindings(file, bindings=bindings))
    except SpecError as error:
        return _Finding(file=file, error=error)


def _as_text(finding: _Finding) -> list[str]:
    spec = finding.spec
    if spec is None:
        return [str(finding.error)]
    weights = ", ".join(str(step.weight) for step in spec.steps)
    lines = [
        f"{finding.file}: ok",
        f"  {spec.dialect} rollout {spec.name} in {spec.namespace}, "
        f"weights {weights + ', ' if weights else ''}100",
    ]
    if finding.missing:
        lines.append(f"  rollout_dag(...) or [rollout] must say: {', '.join(finding.missing)}")
    if spec.unsupported:
        lines.append("  not executed, refused by rollout_dag(...) unless `ignore` names them:")
        lines += _paths(spec, spec.unsupported)
    if spec.ignored:
        lines.append("  not executed, as agreed:")
        lines += _paths(spec, spec.ignored)
    return lines


def _paths(spec: RolloutSpec, paths: Sequence[str]) -> list[str]:
    return [f"    {path}: {why_unsupported(spec, path)}" for path in paths]


def _as_json(finding: _Finding) -> dict[str, Any]:
    spec, error = finding.spec, finding.error
    data: dict[str, Any] = {"file": finding.file, "ok": error is None}
    if error is not None:
        data["error"] = {
            "message": error.message,
            "path": error.path,
            "line": error.line,
            "found": None if error.found is None else str(error.found)[:200],
            "allowed": error.allowed,
            "text": str(error),
        }
    if spec is not None:
        data |= {
            "name": spec.name,
            "namespace": spec.namespace,
            "dialect": spec.dialect,
            "weights": [*(step.weight for step in spec.steps), 100],
            "missing": list(finding.missing),
            "unsupported": _explained(spec, spec.unsupported),
            "ignored": _explained(spec, spec.ignored),
        }
    return data


def _explained(spec: RolloutSpec, paths: Sequence[str]) -> list[dict[str, str]]:
    return [{"path": path, "why": why_unsupported(spec, path)} for path in paths]
