"""observe – what is said about messages: the log line, and the counters that Prometheus reads.

Entry      `journal.record`, `logs.Log`, `metrics.Meter`
Imports    everything before it; prometheus_client in one file
"""
