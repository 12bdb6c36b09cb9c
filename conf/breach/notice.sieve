# Mark mail whose sender's address was seen in a recent breach, going by mailvet's field alone.
# Put your own authserv_id in place of mx.example.org. A hint for the reader: do not file or refuse by it.
require ["imap4flags"];

if header :matches "Sender-Breach-Info" "mx.example.org; result=listed;*" {
    addflag "$SenderBreached";
}
