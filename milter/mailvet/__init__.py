"""mailvet finds out who really sent an inbound message and says so where nobody can forge it.

One daemon behind Postfix's `smtpd_milters`: iprev, SPF, DKIM, ARC and DMARC become one
`Authentication-Results` field, and the operator's policy decides what follows from them.
"""

__version__ = "0.1.0"
