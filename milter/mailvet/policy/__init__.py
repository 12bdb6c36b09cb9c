"""policy – what is done about a message, given what was found out about it.

Entry      `disposition.decide`
Imports    the vocabulary, syntax, header, checks
"""
