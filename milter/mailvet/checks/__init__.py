"""checks – one folder for each method; here those that need one file: the author domain, and iprev.

Entry      `author.find`, `iprev.check`
Imports    the vocabulary, syntax, header; no other check but author
"""
