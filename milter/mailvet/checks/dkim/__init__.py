"""dkim – DKIM, RFC 6376 and RFC 8463: signatures, canonical forms, body hashes and keys.

Door       `check.candidate` and `check.judge`; `body_hash.BodyHasher` hashes while the body streams
Imports    the vocabulary, syntax, header; dkimpy and cryptography in one file each
"""
