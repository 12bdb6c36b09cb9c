"""header – our own header fields, and which fields of a message are removed.

Entry      `auth_results` writes our Authentication-Results field; `edits` plans what is removed and inserted
Imports    the vocabulary, syntax
"""
