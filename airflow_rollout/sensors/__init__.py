"""Tasks that wait: each starts a trigger and turns its end into an Airflow outcome."""
