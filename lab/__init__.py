"""lab – a small world on loopback for tests and the demo: Postfix, mailvet, a mail client, a mailbox."""
