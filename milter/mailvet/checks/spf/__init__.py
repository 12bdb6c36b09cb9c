"""spf – SPF, RFC 7208: who may send for the HELO name and for the MAIL FROM domain.

Entry      `check.Checker`
Imports    the vocabulary, syntax, header; pyspf in one file
"""
