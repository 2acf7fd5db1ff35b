"""Releases of good and bad versions on one lab: real Airflow, real router, real requests.

`cases` says which versions, `stage` releases them, `measured` reads figures off what was left
behind (the record and the clients' answers), `part` puts the figures together.
"""
