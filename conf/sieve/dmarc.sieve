# File into Junk what mailvet found to be forged: DMARC failed and the domain asks for something to be done about it, or
# the From field does not name one author. mailvet's field alone is looked at.
# Put your own authserv_id in place of mx.example.org, dots as "\\.": fields of any other name prove nothing.
# Where the server has no "regex", use dmarc-matches.sieve.
require ["fileinto", "mailbox", "regex"];

# mailvet removes every other field that begins with its name, so what begins so is its own; dmarc= is its last result
if header :regex "Authentication-Results" [
    "^mx\\.example\\.org;.* dmarc=permerror( [^;]*)?$",
    "^mx\\.example\\.org;.* dmarc=fail [^;]* policy\\.dmarc=(reject|quarantine)$"
] {
    fileinto :create "Junk";
    stop;
}
