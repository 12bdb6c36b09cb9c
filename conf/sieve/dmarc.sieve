# File mail that failed DMARC into Junk, going by mailvet's field alone.
# Put your own authserv_id in place of mx.example.org: fields of any other name prove nothing.
require ["fileinto", "variables", "regex", "mailbox"];

# the topmost field is ours: mailvet removes every other one that uses our name
if header :regex "Authentication-Results"
        "^mx\\.example\\.org;.*dmarc=fail.*policy\\.dmarc=(reject|quarantine)" {
    fileinto :create "Junk";
    stop;
}
