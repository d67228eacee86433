"""The questions of the dashboards: periods, queries, and what their rows say."""
