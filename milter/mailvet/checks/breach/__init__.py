"""breach – the rules of the breach look-up: which authors are looked up, and which breaches count.

Entry      `eligibility.why_not`, `counting.judge`; the process that asks the source is in breach_service
Imports    the vocabulary, syntax, header, author
"""
