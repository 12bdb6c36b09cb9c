"""session – the story of a connection: what the MTA says, what is found out, what is decided. No I/O.

Entry      `session.Session`; `verify` asks the checks in order
Imports    everything before it: the vocabulary, syntax, header, checks, policy
"""
