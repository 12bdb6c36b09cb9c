"""syntax – text and octets that strangers wrote, read into values: addresses, domains, Received fields, charsets.

Entry      each file by itself; `address` reads what From may hold, `domain` makes A-labels
Imports    the vocabulary
"""
