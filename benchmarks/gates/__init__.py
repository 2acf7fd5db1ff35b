"""A thousand gates on one real triggerer process, sharing a few questions to one source.

`part` starts and reads, `host` is everything around the triggerer (its supervisor, the metric
system, the router's API, the versions), `child` is the triggerer itself.
"""
