"""Turn measurements into a verdict with its reason.

Pure: no I/O, no sleep, no reading of the clock; the standard library only. What lives here:
readings (what a system answered), parameters, the sequential tests, the judge. What may not:
queries, connections, traffic.
"""
