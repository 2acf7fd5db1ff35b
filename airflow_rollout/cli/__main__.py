"""`python -m airflow_rollout.cli`: the command line where its script is not on the PATH."""

from __future__ import annotations

import sys

from airflow_rollout.cli.main import main

sys.exit(main())
