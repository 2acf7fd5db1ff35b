/* From the parts of a record to the points of the charts. */

const PER_METRIC = 3;

/** Keeps the parts that the feed has sent; newer ones of the same name replace older ones. */
export class Parts {
  constructor() {
    this.parts = new Map();
  }

  take(parts) {
    for (const part of parts) this.parts.set(`${part.task} ${part.key}`, part);
  }

  /** Return the points of one rollout: evidence, and canary, stable and evidence of each metric. */
  points(epoch, tasks) {
    const found = { evidence: [], metrics: new Map() };
    const parts = [...this.parts.values()].filter((part) => part.epoch === epoch && tasks(part.task));
    const order = (part) => Number(part.key.split("_").at(-1));
    parts.sort((a, b) => a.start - b.start || order(a) - order(b));
    let last = -Infinity;
    let before = null;
    for (const part of parts) {
      // Between two gates nobody looked: the line has a gap there.
      const isNew = before !== null && (before.task !== part.task || before.start !== part.start);
      if (isNew && last > -Infinity) gap(found, last + 0.001);
      for (const row of part.rows) {
        const at = part.start + row[0];
        // A thinned part covers what the parts behind it still hold in full.
        if (at <= last) continue;
        last = at;
        take(found, part.metrics, at, row);
      }
      before = part;
    }
    return found;
  }
}

function arms(found, name) {
  if (!found.metrics.has(name)) found.metrics.set(name, { canary: [], stable: [], evidence: [] });
  return found.metrics.get(name);
}

function take(found, names, at, row) {
  found.evidence.push([at, row[1]]);
  names.forEach((name, index) => {
    const begin = 2 + index * PER_METRIC;
    const metric = arms(found, name);
    metric.canary.push([at, row[begin]]);
    metric.stable.push([at, row[begin + 1]]);
    metric.evidence.push([at, row[begin + 2]]);
  });
}

function gap(found, at) {
  found.evidence.push([at, null]);
  for (const metric of found.metrics.values())
    for (const line of Object.values(metric)) line.push([at, null]);
}

/** Return the weight over time as points of a staircase. */
export function weights(record, now) {
  const points = [];
  if (record.started_at) points.push([record.started_at, 0]);
  for (const gate of record.gates) {
    points.push([gate.written_at, gate.weight]);
    if (gate.stop?.written_at) points.push([gate.stop.written_at, 0]);
  }
  const isBack = record.outcome === "rolled_back" || record.outcome === "aborted";
  const end = record.ended_at ?? now;
  if (points.length && isBack && points.at(-1)[1] !== 0) points.push([end, 0]);
  else if (points.length) points.push([Math.max(end, points.at(-1)[0]), points.at(-1)[1]]);
  return points.sort((a, b) => a[0] - b[0]);
}
