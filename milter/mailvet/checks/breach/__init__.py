"""breach – the rules of the breach look-up: who is asked about, and which breaches count.

Door       `eligibility.why_not`, `counting`; the process that asks is in breach_service
Imports    the vocabulary, syntax, header, author
"""
