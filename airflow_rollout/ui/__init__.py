"""The pages inside Airflow and what they read; acts only through Airflow's own API."""
