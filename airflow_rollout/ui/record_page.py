"""A release's record as one page: the reason first, then what happened and the numbers."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape as _escape
from urllib.parse import quote

from airflow_rollout.record import Event, GatePiece, ReleaseRecord

__all__ = ["render"]

# Categories of characters that are not seen, or turn the direction of what stands around them;
# those that part lines or join letters and emoji stay.
_UNSEEN = ("Cc", "Cf", "Cs")
_KEPT = "\t\n\u200c\u200d"

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin: 0; }
.lead { border-left: .4rem solid; padding: .6rem 1rem; margin: 1rem 0; font-size: 1.1rem; }
.promoted { border-color: #1a7f37; } .running { border-color: #0969da; }
.rolled_back, .aborted { border-color: #bc4c00; } .failed_to_roll_back { border-color: #cf222e; }
.lead b { text-transform: uppercase; letter-spacing: .05em; font-size: .85rem; display: block; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
td, th { text-align: left; padding: .3rem .6rem; vertical-align: top;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
h2 { font-size: 1rem; margin: 1.5rem 0 0; }
"""


def render(records: Sequence[ReleaseRecord]) -> str:
    """Return the page of a run's rollouts; every value is escaped, whatever it holds."""
    first = records[0]
    title = f"{first.dag_id}: {first.version or 'release'} {_label(first)}"
    # Relative: Airflow may stand behind a prefix.
    dag_id, run_id = (
        quote(name, safe="", errors="replace") for name in (first.dag_id, first.run_id)
    )
    tab = f"../../../dags/{dag_id}/runs/{run_id}"
    parts = "".join(_part(record) for record in records)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(first.dag_id)}</h1><div>{escape(first.run_id)} &middot; "
        f"<a href='{escape(tab)}/plugin/rollout'>charts and actions</a></div>{parts}</body></html>"
    )


def escape(text: str) -> str:
    """Return a text as HTML in which nothing is hidden."""
    return _escape("".join("\ufffd" if _is_unseen(one) else one for one in text))


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN and character not in _KEPT


def _label(record: ReleaseRecord) -> str:
    return _state(record).replace("_", " ")


def _state(record: ReleaseRecord) -> str:
    return record.outcome.value if record.outcome else "running"


def _part(record: ReleaseRecord) -> str:
    arms = "no release was opened"
    if record.version:
        arms = f"{record.version} ({record.target})"
        arms += f", stable was {record.stable}" if record.stable else ", the first version"
    name = f"<h2>{escape(record.group)}</h2>" if record.group else ""
    rows = "".join(_gate(gate) for gate in record.gates)
    lines = "".join(_event(event, record.started_at) for event in record.timeline)
    return (
        f"{name}<div>{escape(arms)}</div>"
        f"<div class='lead {_state(record)}'><b>{escape(_label(record))}</b>"
        f"{escape(record.reason)}<br>"
        f"{record.weight} % of traffic on {escape(record.version or 'the canary')}</div>"
        "<h2>Steps</h2><table><tr><th>step</th><th class='n'>weight</th><th>verdict</th>"
        f"<th class='n'>evidence</th><th>numbers</th></tr>{rows}</table>"
        "<h2>Timeline (UTC)</h2><table><tr><th>time</th><th class='n'>after</th><th>task</th>"
        f"<th>what happened</th></tr>{lines}</table>"
    )


def _gate(gate: GatePiece) -> str:
    judgement = gate.judgement
    numbers = "<br>".join(escape(metric.sentence) for metric in judgement.metrics)
    safe = ""
    if gate.stop is not None and gate.stop.written_at is not None:
        took = gate.stop.written_at - gate.stop.decided_at
        safe = f"<br>traffic back {took:.2f} s after the verdict"
    if gate.stop is not None and gate.stop.error:
        safe += f"<br>not safe by this task: {escape(gate.stop.error)}"
    return (
        f"<tr><td>{escape(gate.step_id)}</td><td class='n'>{gate.weight} %</td>"
        f"<td>{escape(judgement.verdict.name)}{safe}</td>"
        f"<td class='n'>{judgement.evidence:.3g} of {judgement.limit:.0f}</td>"
        f"<td>{escape(judgement.reason)}<br>{numbers}</td></tr>"
    )


def _event(event: Event, began: float | None) -> str:
    after = f"+{event.at - began:.1f} s" if began is not None else ""
    return (
        f"<tr><td>{_moment(event.at)}</td><td class='n'>{after}</td>"
        f"<td>{escape(event.task)}</td><td>{escape(event.text)}</td></tr>"
    )


def _moment(at: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "unknown"
