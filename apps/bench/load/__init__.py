"""`bench latency`, `subscribers`, `dashboards` and `soak`: a service under load."""
