"""What counts as personal or secret in a text: for each kind a pattern to find it by, and one that may be there first.

A hint is in every text that `clean` changes, in plain text as in JSON: a whole request is searched for it. Hints have
few states, no word classes and no long repetitions: one that has some makes the search three hundred times as dear.
Sources: ISO/IEC 7812-1 (cards), ITU-T E.164 (phones), RFC 3986 and 9110, the token prefixes that their issuers publish.
Invariant: the time that a kind takes is linear in the text.
"""

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

Clean = Callable[[str], str]
"""A text without something."""


class Kind(NamedTuple):
    """One kind of what is taken out."""

    hint: str
    """For `search`: no look-around."""
    clean: Clean


def _replacing(pattern: re.Pattern[str], by: str | Callable[[re.Match[str]], str]) -> Clean:
    return lambda text: pattern.sub(by, text)


_URL = re.compile(
    r"([a-z][a-z0-9+.-]{1,15}://)(?:[^\s/?#@\"]{1,256}@)?([^\s?#\"]{0,2048})([?#][^\s\"]*)?", re.IGNORECASE
)
_TARGET = re.compile(r"(?<![^\s\"'(=])(/[^\s?#\"'(=]{0,2048})[?#][^\s\"]*")
"""An address without its server: `/search?q=...`."""

_TOKEN = re.compile(
    r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|(?i:bearer|basic)\s{1,8}(?=\S*[0-9=])[\w.~+/=-]{8,}"
    r"|[spr]k_(?:live|test)_\w{8,}|A[KS]IA[0-9A-Z]{16}|gh[pousr]_\w{20,}|github_pat_\w{22,}|glpat-[\w-]{20,}"
    r"|xox[abeprs]-[\w-]{10,}|AIza[\w-]{30,}|ya29\.[\w-]{20,}|sk-[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|npm_\w{36}|pypi-[\w-]{32,}|tg_[abrw]_\w{20,}"
    r"|-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?",
    re.ASCII,
)
_ISSUED_HINT = (
    r"eyJ[0-9A-Za-z_-]{6}|(?i:bearer|basic)[\t-\r \\]|[spr]k_(?:live|test)_|A[KS]IA[0-9A-Z]{4}|gh[pousr]_|github_pat_"
    r"|glpat-|xox[abeprs]-|AIza|ya29\.|sk-[0-9A-Za-z_-]{6}|SG\.[0-9A-Za-z_-]{4}|npm_|pypi-|tg_[abrw]_|PRIVATE KEY"
)

_EMAIL = re.compile(r"[\w.%+'-]{1,64}(?:@|%40)(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{1,62}")
"""The last part of a name of the Internet is no number, as that of `shop@1.2.30` is."""

_CARD = re.compile(r"(?<![0-9A-Za-z_])(?<![0-9]\.)[2-6](?:[ -]?[0-9]){12,18}(?![0-9A-Za-z_]|\.[0-9])")
"""No network begins with another digit, and a time in milliseconds begins with 1."""

_PHONE = re.compile(
    r"(?<![\w+])\+(?:\([0-9]{1,4}\)|[0-9])(?:[ ().-]{0,2}[0-9]){6,14}(?![0-9])"
    r"|(?<![\w.+-])(?:\([0-9]{3}\) ?[0-9]{3}[ .-]|[0-9]{3}[.-][0-9]{3}[.-])[0-9]{4}(?![\w-]|\.[0-9])"
    r"|(?<=tel:)[0-9](?:[ ().-]{0,2}[0-9]){4,14}",
    re.ASCII,
)
"""International, North American, and what calls itself a phone number."""

_IPV4 = re.compile(r"(?<![\w.])((?:[0-9]{1,3}\.){3})[0-9]{1,3}(?!\w|\.\w)", re.ASCII)
_IPV6 = re.compile(
    r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?:\.[0-9]{1,3}){3})?(?![\w:]|\.\w)", re.ASCII
)
_HOME = re.compile(
    r"(/home/|/Users/)[^/\\\s:\"]{1,64}"
    r"|([A-Za-z]:[\\/](?:Users|Documents and Settings)[\\/])(?:[^/\\:\"\r\n]{1,64}(?=[\\/])|[^/\\\s:\"]{1,64})"
)


def _address(found: re.Match[str]) -> str:
    """Without who logs in, query and fragment."""
    return found[1] + found[2]


def _card(found: re.Match[str]) -> str:
    digits = [int(digit) for digit in found[0] if digit.isdigit()]
    return "[card]" if _luhn(digits) else found[0]


def _luhn(digits: list[int]) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _ipv4(found: re.Match[str]) -> str:
    """The network of 24 bits; the machine itself stays."""
    try:
        address = IPv4Address(found[0])
    except ValueError:
        return found[0]
    return found[0] if address.is_loopback else f"{found[1]}0"


def _ipv6(found: re.Match[str]) -> str:
    """The network of 48 bits, of an IPv4 address in it 24; what may as well be a name, such as `::add`, stays."""
    try:
        address = IPv6Address(found[0])
    except ValueError:
        return found[0]
    if address.ipv4_mapped is not None:
        return f"::ffff:{IPv4Address(int(address.ipv4_mapped) >> 8 << 8)}"
    if len(list(filter(None, found[0].split(":")))) < 2 or found[0].startswith(":"):
        return found[0]
    return str(IPv6Address(int(address) >> 80 << 80))


def _home(found: re.Match[str]) -> str:
    return f"{found[1] or found[2]}~"


KINDS: dict[str, Kind] = {
    "url": Kind(r"[?#]|://[^/@ \"]*@", lambda text: _TARGET.sub(r"\1", _URL.sub(_address, text))),
    "token": Kind(_ISSUED_HINT, _replacing(_TOKEN, "[token]")),
    "email": Kind(r"(?:@|%40)[^@\" \t-\r\\/]*\.[^0-9@\" \t-\r\\/]", _replacing(_EMAIL, "[email]")),
    "card": Kind(r"[2-6](?:[ -]?[0-9]){12}", _replacing(_CARD, _card)),
    "phone": Kind(
        r"\+\(?[0-9]|\([0-9]{3}\) ?[0-9]{3}|[0-9]{3}[.-][0-9]{3}[.-][0-9]{4}|tel:[0-9]",
        _replacing(_PHONE, "[phone]"),
    ),
    "ip": Kind(
        r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[1-9]|[0-9A-Fa-f]::|::[0-9A-Fa-f]|(?:[0-9A-Fa-f]{1,4}:){5}",
        lambda text: _IPV4.sub(_ipv4, _IPV6.sub(_ipv6, text)),
    ),
    "path": Kind(r"/home/|/Users/|:[\\/]{1,2}(?:Users|Documents)", _replacing(_HOME, _home)),
}
"""In their order: the query of an address goes before anything in it is looked for."""

_ANY_CASE = re.IGNORECASE | re.ASCII | re.DOTALL

_LONG = (
    r"pass(?:word|wd|phrase|code)|pwd|secret|token|(?:api|access|private|secret)[_-]?key|credentials?"
    r"|authorization"
)
_SHORT = (
    r"pass|auth|(?:auth|refresh|id|csrf|xsrf|session)[_-]?(?:token|key)|(?:set-?)?cookies?|cvv2?|cvc2?|pin"
    r"|iban|ssn|otp"
)
SECRET_NAME = re.compile(rf"(?:.*[._ -])?(?:{_LONG})|(?:.*\.)?(?:{_SHORT})", _ANY_CASE)
"""Names whose values are secrets, whatever they look like: the whole name or its end."""

SECRET_HUMP = re.compile(
    r".*[a-z0-9](?:Pass(?:word|wd|phrase|code)|Pwd|Secret|Token|(?:Api|Access|Private|Secret)Key|Credentials?)",
    re.DOTALL,
)
"""The same in camel case."""

SECRET_HINT = rf'(?i:(?:{_LONG}|{_SHORT})")'
"""In JSON a name ends with a quotation mark."""

VERSION_NAME = re.compile(
    r"(?:.*[._-])?(?:version|release|build|(?:user[_-]?)?agent|browser|sdk|os)", _ANY_CASE
)
"""Names of what has versions: four numbers are no address there, and `shop@1.2.3.beta` is no e-mail."""

USER_NAME = re.compile(
    r"(?:enduser|user)[._-]?id|(?:distinct|anonymous|anon_distinct)[_-]?id|userId|anonymousId"
)
"""Names of properties and labels that hold the id of a user."""

USER_HINT = r'(?:[Uu]ser[._-]?|distinct[_-]?|anonymous[_-]?)[Ii]d"'
