# The same as dmarc.sieve, for servers that do not offer "regex". Put your own authserv_id in place of mx.example.org.
require ["fileinto", "mailbox"];

if header :matches "Authentication-Results" [
    "mx.example.org;* dmarc=permerror*",
    "mx.example.org;* dmarc=fail *policy.dmarc=reject",
    "mx.example.org;* dmarc=fail *policy.dmarc=quarantine"
] {
    fileinto :create "Junk";
    stop;
}
