"""breach_service – the process that looks senders up in data breaches, and the workers' connection to it.

Entry      `process.run` in that process, `client.BreachClient` in a worker
Imports    everything before it; httpx in one file
"""
