"""arc – ARC, RFC 8617: does the chain hold, and what does a trusted sealer testify.

Entry      `check.prepare` and `check.judge`
Imports    the vocabulary, syntax, header, author, and dkim for canonical forms and keys
"""
