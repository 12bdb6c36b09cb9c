"""lab – the helpers that tests, benchmark and demo share. Nothing in it is installed with mailvet.

DNS
    zone            Zone: DNS in memory, as `ports.Lookups`. TXT records are bytes; a `Trouble` makes lookups fail.
    dnsserver       DnsServer: a real name server on loopback. TXT records are str or bytes; a `Manner` misbehaves.
    dns_losses, dns_trouble, dns_absence   answers that have lost their records, and senders who suffer from each.
    openspf         the SPF suite's cases with their zones. resolving: what tests of the resolver share.
mailvet
    engines         engine(settings, names): everything a session needs, over a Zone, with the clock standing still.
    daemon          Daemon: `mailvet serve` on a unix socket, with its log; scratch(): a directory for it.
    breachprocess, breach_scene, hibp_server   the breach look-up: the process alone, in the lab, and its data source;
                    breach_fakes and certificates belong to them.
    faulty, injection   make mailvet's functions raise, in a daemon or in this process.
    importing       what the modules do when they are imported.
    lenient, readers    models of programs that read a delivered header.
The MTA
    milterclient    MilterClient: plays the MTA towards a milter's socket. milter_protocol has its octets.
    milterhost      libmilter and Postfix in this process, for mailvet's callbacks.
    mta             PostfixHeaders: what Postfix does to a header when a milter edits it.
    postfix         Postfix: a real one, for root only. smtp: a client for it. mailbox: an LMTP server behind it.
    postfix_standin   StandIn: a Lab whose Postfix is played by MilterClient and mta, for those who are not root.
    mail_system     Lab: all together, one mailvet for each policy mode. The fixture `lab` in tests/conftest.py.
Messages
    world           senders with their zone and keys: world.letter(author), world.signed(message, domain).
    signer, sealer  DKIM signatures and ARC sets, right or wrong on purpose, written without mailvet's code.
    letter          Letter: a delivered message, and what our Authentication-Results in it says.
    forged, spoofed, espoofer   fields and messages of attackers. reports: any verdict, as a hypothesis strategy.
Else
    wait            until(condition): waits for another thread or process. paths: the repository. postgres: a server.

A private end-to-end scene takes two seconds and no Postfix:

    with scratch() as name, DnsServer(world.zone()) as dns:
        with Daemon(Path(name), "mine", dns.address, "[trust]\\nnetworks = []\\n") as daemon:
            with MilterClient(daemon.socket) as client:
                client.connect(world.HOST, helo=b"mail.signed.example")
                answer = client.message(b"a@signed.example", world.letter("<a@signed.example>"))
            until(lambda: "dmarc=pass" in daemon.log)

Use a Zone where one function is the subject, this scene where the daemon is, and Lab only where Postfix matters.
"""
