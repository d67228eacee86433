"""Single events for the operator: the last events, drop reasons and traces."""
