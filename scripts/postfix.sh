#!/bin/sh
# Add mailvet to this host's Postfix, or take it out again.
#   postfix.sh add [MILTER]     put it in front of smtpd_milters and non_smtpd_milters, if it answers
#   postfix.sh remove [MILTER]  take it out of both; other entries stay as they are
#   postfix.sh show [MILTER]    change nothing: the lists, whether mailvet answers, and what is in its way
# MILTER is mailvet's socket as Postfix names it, inet:127.0.0.1:8899 or unix:mailvet/mailvet.sock; by default what
# mailvet.toml says. Exit status: 0 done; 1 nothing was changed or, for remove, Postfix still asks mailvet; 2 usage.
set -u
RECORD=/etc/mailvet/postfix-before
OPENDKIM=/etc/opendkim.conf
OPENDMARC=/etc/opendmarc.conf
BARE=smtpd_forbid_bare_newline

die() {
    echo "postfix.sh: $*" >&2
    exit 1
}

warn() {
    echo "warning: $*" >&2
}

# Sockets

canonical() { # a socket in Postfix's words; loopback has many names, and paths are relative to the queue directory
    case $1 in
        inet:*)
            host=$(echo "${1#inet:}" | sed 's/:[^:]*$//' | tr '[:upper:]' '[:lower:]')
            case $host in '[127.0.0.1]' | localhost | '[::1]' | '[ipv6:::1]') host=127.0.0.1 ;; esac
            echo "inet:$host:${1##*:}"
            ;;
        unix:* | local:*)
            path=${1#*:}
            echo "unix:${path#"$QUEUE"/}"
            ;;
        *) echo "$1" ;;
    esac
}

configured() { # mailvet.toml's `listen` in Postfix's words
    mailvet config show | sed -n '/^\[milter\]/,/^listen/s/^listen = "\(.*\)"$/\1/p' | sed '
        s/^inet6:\([0-9]*\)$/inet6:\1@::1/; s/^inet:\([0-9]*\)$/inet:\1@127.0.0.1/; s/@0\.0\.0\.0$/@127.0.0.1/
        s/@::$/@::1/; s/^inet6*:\([0-9]*\)@\([^[]*:.*\)$/inet:[\2]:\1/; s/^inet6*:\([0-9]*\)@\(.*\)$/inet:\2:\1/'
}

answers() { # is there a milter behind $MILTER? Postfix's account asks, since a unix socket has permissions
    python3 - "$MILTER" "$QUEUE" "$(postconf -h mail_owner)" <<'PYTHON'
import os, pwd, socket, sys
milter, queue, owner = sys.argv[1:]
kind, _, where = milter.partition(":")
try:
    if kind == "unix":
        os.chdir(queue)
        if os.getuid() == 0:
            account = pwd.getpwnam(owner)
            os.initgroups(owner, account.pw_gid), os.setgid(account.pw_gid), os.setuid(account.pw_uid)
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(where)
    else:
        host, _, port = where.rpartition(":")
        s = socket.create_connection((host.strip("[]"), int(port)), 5)
    s.settimeout(5)
    s.sendall(bytes.fromhex("0000000d4f00000006000001ff001fffff"))  # SMFIC_OPTNEG, version 6
    reply = s.recv(5)
except Exception as e:
    sys.exit(f"{e.strerror or e}" if isinstance(e, OSError) else repr(e))
sys.exit(0 if reply[4:] == b"O" else "what answers is no milter")
PYTHON
}

# Lists of milters

value() { # of a parameter, with `$name` as it stands in main.cf
    postconf -h "$1" | tr '\n' ' ' | sed 's/ *$//'
}

entries() { # standard input: a list -> one entry a line; what is in braces is one entry
    tr '\n\t' '  ' | awk '{
        depth = 0; entry = ""
        for (at = 1; at <= length($0); at++) {
            char = substr($0, at, 1)
            if (depth == 0 && (char == " " || char == ",")) { if (entry != "") print entry; entry = ""; continue }
            if (char == "{") depth++
            if (char == "}") depth--
            entry = entry char
        }
        if (entry != "") print entry
    }'
}

socket_of() {
    canonical "$(echo "$1" | sed 's/^{ *//; s/[ ,}].*//')"
}

is_ours() { # at its socket, or at those of the documentation, where it may have been before
    case $(socket_of "$1") in
        "$MILTER" | inet:127.0.0.1:8899 | unix:mailvet/mailvet.sock | unix:/run/mailvet/mailvet.sock) return 0 ;;
    esac
    return 1
}

ours_in() { # standard input: a list -> mailvet's entries
    entries | while read -r entry; do
        ! is_ours "$entry" || echo "$entry"
    done
}

others_in() { # standard input: a list -> the list without mailvet; untouched if mailvet is not in it
    list=$(cat)
    if [ -z "$(echo "$list" | ours_in)" ]; then
        echo "$list"
    else
        echo "$list" | entries | while read -r entry; do
            is_ours "$entry" || echo "$entry"
        done | awk '{ printf "%s%s", (NR > 1 ? ", " : ""), $0 } END { print "" }'
    fi
}

action_of() { # an entry -> what Postfix does while that milter is down
    action=$(echo "$1" | sed -n 's/.*default_action *= *\([a-z_]*\).*/\1/p')
    echo "${action:-$(postconf -h milter_default_action)}"
}

options_of() { # an entry in braces -> its options but for default_action, each with ", " before it
    echo "$1" | sed -n 's/^{ *[^ ,}]*[ ,]*\(.*\)}$/\1/p' | tr -s ', ' '\n' |
        awk '/./ && !/^default_action/ { printf ", %s", $0 }'
}

names_other() { # does list $1 name the other one, as in `non_smtpd_milters = $smtpd_milters`?
    value "$1" | grep -qE "[\$][{(]?$(other "$1")"'([^a-z_]|$)'
}

other() {
    case $1 in smtpd_milters) echo non_smtpd_milters ;; *) echo smtpd_milters ;; esac
}

wanted() { # list $1 with mailvet first, once, and with default_action=tempfail; as it is if it is so
    list=$(value "$1")
    ours=$(echo "$list" | ours_in)
    first=$(echo "$list" | entries | head -n 1)
    if names_other "$1"; then
        echo "$list" | others_in # mailvet comes with the other list
    elif [ -n "$ours" ] && [ "$ours" = "$first" ] && [ "$(socket_of "$first")" = "$MILTER" ] &&
        [ "$(action_of "$first")" = tempfail ]; then
        echo "$list"
    else
        echo "{ $MILTER$(options_of "$(echo "$ours" | head -n 1)"), default_action=tempfail } $(echo "$list" | others_in)" |
            sed 's/ *$//'
    fi
}

# What is in mailvet's way

in_lists() { # is the milter of this name, configured in this file, by default at one of these ports, in the lists?
    at=$(sed -n 's/^[[:blank:]]*[Ss][Oo][Cc][Kk][Ee][Tt][[:blank:]]*\([^[:blank:]#]*\).*/\1/p' "$2" 2>/dev/null | tail -n 1)
    case $at in
        '') at="inet:[^ ,}]*:($3)" ;;
        inet:*) at=$(echo "$at" | sed 's/^inet:\([0-9]*\).*/inet:[^ ,}]*:\1/') ;;
        *) at="unix:[^ ,}]*/${at##*/}" ;;
    esac
    for list in smtpd_milters non_smtpd_milters; do
        postconf -xh $list
    done | grep -qiE "$1|($at)([ ,}]|\$)"
}

opendkim() { # why OpenDKIM, if in the lists, would remove mailvet's field; "" if it would not
    [ -e $OPENDKIM ] && in_lists opendkim $OPENDKIM '8891|12301' || return 0
    mode=$(sed 's/#.*//' $OPENDKIM | tr '[:upper:]' '[:lower:]' | awk '
        $1 == "mode" { mode = $2 }
        $1 == "keepauthresults" { keep = $2 }
        END { if (mode == "") mode = "sv, the default"; if (mode ~ /v/ && keep !~ /^[yt1]/) print mode }')
    pidfile=$(awk 'tolower($1) == "pidfile" { print $2 }' $OPENDKIM)
    if [ -n "$mode" ]; then
        echo "OpenDKIM verifies (Mode $mode) and would remove mailvet's field: write \"KeepAuthResults yes\" or \"Mode s\"" \
            "into $OPENDKIM, then: systemctl restart opendkim"
    elif [ -n "$pidfile" ] && [ -n "$(find $OPENDKIM -newer "$pidfile" 2>/dev/null)" ]; then
        echo "$OPENDKIM was changed after OpenDKIM was started: systemctl restart opendkim"
    fi
}

warnings() {
    if in_lists opendmarc $OPENDMARC '8893|54321'; then
        warn "OpenDMARC is in the lists and writes Authentication-Results fields in this host's name, too:" \
            "take it out when mailvet is to decide (docs/postfix.md, What mailvet replaces)."
    fi
    for list in smtpd_milters non_smtpd_milters; do
        all=$(postconf -xh $list | entries)
        [ -z "$(echo "$all" | ours_in)" ] || is_ours "$(echo "$all" | head -n 1)" ||
            warn "$list: mailvet is not the first. Other milters read forged fields."
    done
    # postscreen hands its clients to a service of type pass
    postconf -xP '*/inet/smtpd_milters' '*/inet/receive_override_options' \
        '*/pass/smtpd_milters' '*/pass/receive_override_options' 2>/dev/null | while read -r name _ text; do
        case $name in 127.* | localhost:* | '[::1]:'*) continue ;; esac # where mail comes back
        case $name:$text in
            */receive_override_options:*no_milters*)
                warn "master.cf: ${name%/*} has no_milters, so mailvet does not see its mail." ;;
            */smtpd_milters:*)
                [ -n "$(echo "$text" | ours_in)" ] ||
                    warn "master.cf: ${name%/*} has smtpd_milters of its own, without mailvet, so mailvet does not see its" \
                        "mail (docs/postfix.md, Services with milters of their own)." ;;
        esac
    done
    if [ -n "$(all_of content_filter)" ]; then
        warn "content_filter is in use ($(all_of content_filter)): where mail comes back, mailvet must not see it again" \
            "(docs/postfix.md, Mail that comes back)."
    fi
    if [ -n "$(all_of smtpd_proxy_filter)" ]; then
        warn "smtpd_proxy_filter is not supported: Postfix does not pass the message content to milters there" \
            "(docs/postfix.md, Mail that comes back)."
    fi
}

all_of() { # a parameter's values in main.cf and master.cf, if any
    {
        postconf -h "$1"
        postconf -P "*/*/$1" 2>/dev/null | sed 's/^[^=]*= *//'
    } | awk '/[^ ]/ && !seen[$0]++ { printf "%s%s", (n++ ? ", " : ""), $0 }'
}

# Commands

show() {
    postconf smtpd_milters non_smtpd_milters $BARE 2>/dev/null
}

put() { # name=value; without a value, back to the default
    case $1 in *=) postconf -X "${1%=}" ;; *) postconf -e "$1" ;; esac
}

change() { # name=value ...: those that differ
    for setting; do
        [ "$(value "${setting%%=*}")" = "${setting#*=}" ] || put "$setting" || die "Postfix's main.cf could not be changed."
    done
}

reload() {
    if postfix status 2>/dev/null; then
        postfix reload || die "main.cf was changed, but Postfix could not be reloaded."
    else
        echo "Postfix is not running: it will read main.cf when it starts."
    fi
}

bare_newline() { # what smtpd_forbid_bare_newline should be: what this Postfix knows, if it is off
    case $(postconf -h $BARE 2>/dev/null):$(postconf -d ${BARE}_reject_code 2>/dev/null) in
        no:?*) echo normalize ;;
        no:) echo yes ;;
        *) postconf -h $BARE 2>/dev/null ;;
    esac
}

record() { # what was there before, whole or not at all
    [ ! -s $RECORD ] || return 0
    if ! { show >$RECORD.new && mv $RECORD.new $RECORD; }; then
        die "$RECORD could not be written. Nothing was changed."
    fi
}

add() {
    case $MILTER:$(postconf -M | awk '$8 == "smtpd" { print $5 }') in
        unix:/*:*y*) die "smtpd is chrooted to $QUEUE and does not reach $MILTER (docs/postfix.md, A unix socket)." ;;
    esac
    why=$(answers 2>&1) || die "mailvet does not answer at $MILTER ($why): see journalctl -u mailvet. Nothing was changed."
    why=$(opendkim)
    [ -z "$why" ] || die "$why. Nothing was changed."
    for list in smtpd_milters non_smtpd_milters; do
        by_name=$(postconf -xh $list | ours_in | wc -l)
        names_other $list || [ "$by_name" = "$(value $list | ours_in | wc -l)" ] ||
            die "$list takes mailvet from another parameter: write it into $list itself. Nothing was changed."
    done
    ! { names_other smtpd_milters && names_other non_smtpd_milters; } || die "smtpd_milters and non_smtpd_milters name each other."
    postfix check || die "Postfix's configuration has a mistake. Nothing was changed."
    record
    before=$(show)
    smtpd=$(wanted smtpd_milters) && submitted=$(wanted non_smtpd_milters) && bare=$(bare_newline)
    change "smtpd_milters=$smtpd" "non_smtpd_milters=$submitted" ${bare:+"$BARE=$bare"}
    [ "$before" = "$(show)" ] || reload
    printf 'Before:\n%s\nNow:\n%s\n' "$before" "$(show)"
    warnings
}

remove() {
    before=$(show)
    smtpd=$(value smtpd_milters | others_in) && submitted=$(value non_smtpd_milters | others_in)
    change "smtpd_milters=$smtpd" "non_smtpd_milters=$submitted"
    [ "$before" = "$(show)" ] || reload
    printf 'Before:\n%s\nNow:\n%s\n' "$before" "$(show)"
    left=$({
        for list in smtpd_milters non_smtpd_milters; do
            [ -z "$(postconf -xh $list | ours_in)" ] || echo "$list in main.cf"
        done
        postconf -P '*/*/smtpd_milters' 2>/dev/null | while read -r name _ text; do
            [ -z "$(echo "$text" | ours_in)" ] || echo "$name in master.cf"
        done
    })
    [ -z "$left" ] || die "Postfix still asks mailvet, by $(echo "$left" | tr '\n' ';' | sed 's/;$//; s/;/, /g'): take it out there by hand."
    rm -f $RECORD
}

case ${1-} in
    add | remove) [ "$(id -u)" = 0 ] || die "run this as root: it changes Postfix's main.cf." ;;
    show) ;;
    *)
        sed -n '2,/^set/s/^# //p' "$0" >&2
        exit 2
        ;;
esac
postconf -h smtpd_milters >/dev/null || die "Postfix's main.cf cannot be read. Nothing was changed."
QUEUE=$(postconf -xh queue_directory)
MILTER=$(canonical "${2:-$(configured 2>/dev/null)}")
case $1:$MILTER in
    *:inet:* | *:unix:*) ;;
    remove:) MILTER=inet:127.0.0.1:8899 ;; # it may be gone already
    *) die "mailvet's socket is not known: mend what \"mailvet config check\" says, or name it, as in: add inet:127.0.0.1:8899" ;;
esac
case $1 in
    add) add ;;
    remove) remove ;;
    show)
        show
        why=$(answers 2>&1) && echo "mailvet answers at $MILTER." || echo "mailvet does not answer at $MILTER ($why)."
        why=$(opendkim)
        [ -z "$why" ] || warn "$why."
        warnings
        ;;
esac
