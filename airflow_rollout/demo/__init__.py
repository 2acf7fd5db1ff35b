"""The laptop lab: real processes that a release can be shown and tested with.

Here live the launcher of child processes, a four-component Airflow, a Traefik, a small HTTP
service, a load generator and the lab that puts them together. Nothing here is needed in
production and nothing outside this folder and the tests may import it.
"""
