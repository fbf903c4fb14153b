"""What is told to Grafana: our dashboards and what happened."""
