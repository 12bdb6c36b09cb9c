"""dmarc – DMARC, RFC 9989: the policy of the author domain, and whether an aligned identifier passed.

Entry      `check.check`
Imports    the vocabulary, syntax, header, author
"""
