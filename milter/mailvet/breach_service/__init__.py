"""breach_service – the process that asks whether a sender's address was in a breach, and the worker's end of it.

Door       `process.run` in that process, `client.BreachClient` in a worker
Imports    everything before it; httpx in one file
"""
