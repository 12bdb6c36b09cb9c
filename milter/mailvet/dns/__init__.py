"""dns – the DNS client: the lookups of a message, bounded, remembered, and never absent without proof.

Entry      `resolver.Resolver`, which hands out a `lookups.MessageLookups` for each message
Imports    everything before it; dnspython in one file
"""
