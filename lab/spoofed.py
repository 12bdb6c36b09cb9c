"""spoofed – From fields of attack.example that some program shows as bank.example's, and honest ones that look alike.

SPOOFED has values as a milter is shown them; none may have an author. HONEST has values with their author domain.
"""

from base64 import b64encode, urlsafe_b64encode

ATTACK = "attack.example"
_CEO = "ceo@bank.example"


def _b(text: str, charset: str, codec: str = "", tail: str = "") -> str:
    return f"=?{charset}?b?{b64encode(text.encode(codec or charset)).decode()}{tail}?="


_NAMES: dict[str, str] = {
    # decoding first, RFC 2047 §6.2 notwithstanding
    "an address, Q": "=?utf-8?q?ceo=40bank=2Eexample?=",
    "an address, B": _b(_CEO, "utf-8"),
    "lower-case hexadecimal": "=?utf-8?q?ceo=40bank=2eexample=2c?=",
    "angle brackets": _b(f"<{_CEO}>", "utf-8"),
    "a comma behind it": "=?utf-8?q?ceo=40bank.example,?=",
    "a line end behind it": "=?utf-8?q?ceo=40bank.example=0D=0A?=",
    "U+2028 behind it": _b(_CEO + "\u2028", "utf-8"),
    "NUL in it": "=?utf-8?q?ceo=00=40bank.example?=",
    "padding missing": "=?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ?=",
    "padding in the middle": "=?utf-8?b?Y2VvQA==YmFuay5leGFtcGxl?=",
    "a blank in base64": "=?utf-8?b?Y2VvQGJh bmsuZXhhbXBsZQ==?=",
    "a fold in base64": "=?utf-8?b?Y2VvQGJh\n bmsuZXhhbXBsZQ==?=",
    "? in base64": "=?utf-8?b?Y2VvQGJh?bmsuZXhhbXBsZQ==?=",
    "the alphabet of URLs": f"=?utf-8?b?{urlsafe_b64encode(f'¿¿¿>{_CEO}'.encode()).decode()}?=",
    "a blank in Q": "=?utf-8?q?ceo=40bank.example x?=",
    "a fold in Q": "=?utf-8?q?ceo=40\n bank.example?=",
    "? in Q": "=?utf-8?q?a?ceo=40bank.example?=",
    "?= in Q": "=?utf-8?q?ceo?=40bank.example?=",
    "blanks around ?": "=?utf-8? q ?ceo=40bank.example?=",
    "a word without an end, Q": "=?utf-8?q?ceo=40bank.example",
    "a word without an end, B": "=?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ==",
    "an unknown encoding": "=?utf-8?x?ceo=40bank.example?=",
    "no charset": "=??q?ceo=40bank.example?=",
    "no charset, B": "=??b?PGNlb0BiYW5rLmV4YW1wbGU+?=",
    "a language, RFC 2231 §5": "=?utf-8*en?Q?ceo=40bank.example?=",
    "decoded twice": _b("=?utf-8?q?ceo=40bank.example?=", "utf-8"),
    "two words": f"{_b('ceo@ba', 'utf-8')} {_b('nk.example', 'utf-8')}",
    "a character in two words": f"=?utf-8?b?{b64encode(b'ceo' + '＠'.encode()[:1]).decode()}?= "
    f"=?utf-8?b?{b64encode('＠'.encode()[1:] + b'bank.example').decode()}?=",
    "@ alone": "ceo =?utf-8?q?=40?= bank.example",
    "@ at the end of a word": "=?utf-8?q?ceo=40?= bank.example",
    "a zero-width space": "=?utf-8?q?ceo=40b=E2=80=8Bank.example?=",
    "brackets around a quoted string": '=?utf-8?q?=3C?= "ceo@bank.example" =?utf-8?q?=3E?=',
    "a quote before a quoted string": '=?utf-8?q?=22?= "ceo@bank.example"',
    "in a quoted string that it ends": '"=?utf-8?q?ceo=40bank.example=22?="',
    "in a quoted string, with brackets": '"=?utf-8?q?=3Cceo=40bank.example=3E?="',
    # charsets in which ASCII is not ASCII
    "UTF-7": "=?utf-7?q?ceo+AEA-bank.example?=",
    "UTF-7, all of it": "=?utf-7?q?+ADw-ceo+AEA-bank.example+AD4-?=",
    "UTF-7 by another name": "=?unicode-1-1-utf-7?q?ceo+AEA-bank.example?=",
    "UTF-16": _b(_CEO, "utf-16"),
    "UTF-16BE": _b(_CEO, "utf-16be"),
    "UTF-32": _b(_CEO, "utf-32"),
    "UCS-2": _b(_CEO, "iso-10646-ucs-2", "utf-16be"),
    "cp037": _b(_CEO, "cp037"),
    "cp500 by another name": _b(_CEO, "ebcdic-cp-be", "cp500"),
    "cp875": _b(_CEO, "cp875"),
    "cp1047, which Python does not know": _b(_CEO, "ibm1047", "cp037"),
    "HZ": _b(_CEO, "hz-gb-2312", "ascii"),
    "ISO-2022-JP": _b(_CEO, "iso-2022-jp"),
    "ISO-2022-JP, full-width": _b("ｃｅｏ＠ｂａｎｋ．ｅｘａｍｐｌｅ", "iso-2022-jp"),
    "escapes": r"=?raw_unicode_escape?q?ceo\u0040bank.example?=",
    "an unknown charset": _b(f"<{_CEO}>", "x-nobody", "ascii"),
    "HZ, shifted": "=?hz-gb-2312?b?fns8Y2VvQGJhbmsuZXhhbXBsZT5+fQ==?=",
    "ISO-2022-KR, shifted": "=?iso-2022-kr?b?GyQpQw4sY2VvQGJhbmsuZXhhbXBsZSwP?=",
    "ISO-2022-JP-2, Korean": "=?iso-2022-jp-2?b?GyQoQzxjZW9AYmFuay5leGFtcGxlPhsoQg==?=",
    "ISO-2022-CN, which Python does not know": "=?iso-2022-cn?b?GyQpQQ48Y2VvQGJhbmsuZXhhbXBsZT4P?=",
    "UTF-7 of IMAP": "=?UTF-7-IMAP?q?&ADw-ceo&AEA-bank.example&AD4-?=",
    "UTF-7 of IMAP, the dot too": "=?UTF-7-IMAP?q?ceo&AEA-bank&AC4-example?=",
    "IBM297, whose @ is elsewhere": f"=?ibm297?b?{b64encode(_CEO.encode('cp500').replace(b'|', b'D')).decode()}?=",
    "UTF-16 without a mark": _b(_CEO, "utf-16", "utf-16be"),
    "UTF-16 by another name": _b(_CEO, "x-u16", "utf-16be"),
    # a word inside a word
    "a quote in a word in a word": '=?utf-8?q?x=?utf-8?b?Ig==?=", ceo@bank.example, "?=',
    "the same in a quoted string": '"=?utf-8?q?x=?utf-8?b?Ig==?= ceo@bank.example, ?="',
    "an address in a word in a word": "=?utf-8?q?x=?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ==?= y?=",
    # blanks and comments around @ and dots, RFC 5322 §4.4
    "a blank behind @": "ceo@ bank.example",
    "blanks around @": "ceo @ bank.example",
    "a comment behind @": "ceo@(x)bank.example",
    "blanks around the dot": "ceo@ bank . example",
    # folding into ASCII, dropping what is not, and line ends that are not CRLF
    "full-width @": "ceo＠bank.example",
    "full-width everything": "＜ceo＠bank．example＞",
    "full-width quote in a quoted string": '"＂ ceo＠bank．example"',
    "U+2028 in a quoted string": '"ceo@bank.example\u2028x"',
    "NEL in a quoted string": '"ceo@bank.example\u0085x"',
    "a From field behind U+2028": '"x\u2028From: ceo@bank.example"',
}
SPOOFED: dict[str, bytes] = {name: f" {value} <x@{ATTACK}>".encode() for name, value in _NAMES.items()}
SPOOFED |= {
    "in a comment": b" x@attack.example (=?utf-8?q?ceo=40bank.example?=)",
    "behind the comment it ends": b" x@attack.example (=?utf-8?q?=29_ceo=40bank.example?=)",
    # octets that are not UTF-8, in a charset in which the "\\" behind belongs to the character and quotes nothing
    "a backslash that Shift_JIS eats": b' "\x81\\", ceo@bank.example, " <x@attack.example>',
    "a backslash that GBK eats": b' "\xa8\\", ceo@bank.example, " <x@attack.example>',
    "a backslash that Big5 eats": b' "\xa5\\", ceo@bank.example, " <x@attack.example>',
    "a backslash that Johab eats": b' "\xd9\\", ceo@bank.example, " <x@attack.example>',
    # RFC 5322 §2.1.1: Postfix breaks the line, and the domain with it
    "a domain at octet 998": b' "CEO%b" <ceo@bank.example.attack.example>' % (b" " * 960),
    "a domain at octet 998 of a fold": b' "CEO"\n%b <ceo@bank.example.attack.example>' % (b" " * 978),
    "a name at octet 998": b' "%bFrom: ceo@bank.example" <x@attack.example>' % (b"x" * 991),
}

HONEST: dict[str, tuple[str, str]] = {
    "parentheses": ("=?utf-8?q?Ann_=28Sales=29?= <ann@shop.example>", "shop.example"),
    "a comma": ("=?utf-8?q?Smith=2C_John?= <john@shop.example>", "shop.example"),
    "quotes": ("=?utf-8?q?=22Smith=2C_John=22?= <john@shop.example>", "shop.example"),
    "a colon and a semicolon": ("=?utf-8?q?Shop=3A_Ann=3B?= <ann@shop.example>", "shop.example"),
    "@ Work": ("=?utf-8?q?J=C3=BCrgen_=40_Work?= <j@shop.example>", "shop.example"),
    "a handle": ("=?utf-8?q?J=C3=BCrgen_=40juergen?= <j@shop.example>", "shop.example"),
    "the same address": ("=?utf-8?q?ann=40shop.example?= <ann@shop.example>", "shop.example"),
    "the same address in single quotes": ("=?utf-8?q?=27ann=40shop.example=27?= <ann@shop.example>", "shop.example"),
    "a list that names its member": ('"=?utf-8?q?bob=40b.example_via_L?=" <l@list.example>', "list.example"),
    "the same in UTF-8": ('"Jürgen j@b.example via L" <l@list.example>', "list.example"),
    "a word in a quoted string": ('"=?utf-8?q?J=C3=BCrgen?=" <j@shop.example>', "shop.example"),
    "ISO-2022-JP": (f"{_b('山田太郎', 'iso-2022-jp')} <y@shop.example>", "shop.example"),
    "ISO-2022-JP with @ and dots among its octets": (
        f"{_b('生世政．神', 'iso-2022-jp')} <y@shop.example>",
        "shop.example",
    ),
    "Shift_JIS with @ among its octets": (f"{_b('ファイルァ', 'shift_jis')} <y@shop.example>", "shop.example"),
    "GBK with @ among its octets": (f"{_b('丂張', 'gbk')} <z@shop.example>", "shop.example"),
    "Big5": (f"{_b('許功蓋', 'big5')} <x@shop.example>", "shop.example"),
    "EUC-KR": (f"{_b('홍길동', 'euc-kr')} <h@shop.example>", "shop.example"),
    "KOI8-R": (f"{_b('Иван Петров', 'koi8-r')} <i@shop.example>", "shop.example"),
    "windows-1251": (f"{_b('Иван Петров', 'windows-1251')} <i@shop.example>", "shop.example"),
    "an unknown charset": (f"{_b('Иван', 'unknown-8bit', 'koi8-r')} <i@shop.example>", "shop.example"),
    "HZ": (f"{_b('中文', 'hz-gb-2312', 'hz')} <z@shop.example>", "shop.example"),
    "GB 2312": (f"{_b('张三', 'gb2312')} <z@shop.example>", "shop.example"),
    "EUC-JP": (f"{_b('山田太郎', 'euc-jp')} <y@shop.example>", "shop.example"),
    "ISO-2022-KR": (f"{_b('홍길동', 'iso-2022-kr')} <h@shop.example>", "shop.example"),
    "ISO-2022-JP in two words": (
        f"{_b('山田', 'iso-2022-jp')}\n {_b('太郎 (営業)', 'iso-2022-jp')} <y@shop.example>",
        "shop.example",
    ),
    "NFD": ("Ju\u0308rgen Mu\u0308ller <j@shop.example>", "shop.example"),
    "an ampersand in an unknown charset": ("=?x-nobody?q?R&D-Team?= <rd@shop.example>", "shop.example"),
    "emoji": (f"{_b('🎉 Deals', 'utf-8')} <d@shop.example>", "shop.example"),
    "a letter with 0x85 in it": ("Åsa <asa@shop.example>", "shop.example"),
    "a U-label": ("Jürgen <j@bücher.example>", "xn--bcher-kva.example"),
    "a long list, folded": (",\n ".join(f"Ann {n} <a{n}@shop.example>" for n in range(40)), "shop.example"),
}
