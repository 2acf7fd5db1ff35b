"""A thousand gates on one real trigger runner, sharing a few questions to one source.

`part` starts a process and reads what it has seen; `child` is that process, `stage` the releases,
`host` everything that gates and runner talk to, `clock` the time they live in.
"""
