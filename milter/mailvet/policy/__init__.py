"""policy – what is done about a message, given what was found out about it.

Door       `disposition.decide`
Imports    the vocabulary, syntax, header, checks
"""
