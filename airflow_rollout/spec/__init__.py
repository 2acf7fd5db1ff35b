"""YAML documents in several dialects -> one frozen `RolloutSpec`.

What lives here: the model, the loader with its limits, durations and one file a dialect.
What may not: anything that touches Airflow, a network or a file other than the document.
"""
