"""The only I/O: Airflow connections, HTTP and files; foreign errors become ours here.

What is decided (queries, splits, verdicts) does not live here: adapters say what to send, hooks
send it.
"""
