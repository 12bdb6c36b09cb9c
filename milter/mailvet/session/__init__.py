"""session – one SMTP connection: what the MTA says, what the checks find out, what is decided. No I/O.

Entry      `session.Session`; `verify` asks the checks in order
Imports    everything before it: the vocabulary, syntax, header, checks, policy
"""
