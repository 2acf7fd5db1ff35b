"""The command `airflow-rollout`: one module a subcommand, and the client for Airflow's REST API.

A subcommand's module has `add_parser(subparsers)` and `run(args) -> int`. Nothing else may import
this folder but the lab and the tests.
"""
