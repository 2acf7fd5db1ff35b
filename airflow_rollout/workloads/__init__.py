"""One file a workload kind: start, probe, promote and remove the thing that is released."""
