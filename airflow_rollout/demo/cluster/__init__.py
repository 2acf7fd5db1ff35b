"""The demo on the user's own cluster: what it makes there, and how it sees what happens.

In the cluster: one namespace with a Deployment, its Service and a pod that sends requests. On this
machine: an Airflow. Nothing in the cluster has to be reached but its API server, so answers come
back as the log of the pod that sends requests.
"""
