"""Releases on a real Kubernetes node with the settings under which others were measured there.

`cases` says which versions, and what Flagger and Argo Rollouts needed for the same; `stage` runs
node, gateway, Prometheus and Airflow and releases; `part` puts the figures together.
"""
