"""dkim – DKIM, RFC 6376 and RFC 8463: signatures, canonical forms, body hashes and keys.

Entry      `check.candidate` and `check.judge`; `body_hash.BodyHasher` hashes while the body streams; ARC shares
           `content.Content` and `keys.KeyReader`
Imports    the vocabulary, syntax, header; dkimpy and cryptography in one file each
"""
