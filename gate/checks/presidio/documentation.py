"""Values that stand for nobody: reserved for documentation, published for tests, or void.

They come in every manual and are no reason to block; the check reports them as `info`. The lists are facts from
the documents named beside them.
"""

from __future__ import annotations

import polars as pl

# RFC 2606 and RFC 6761: reserved names. example.edu is registered to IANA as well.
_RESERVED_NAMES = (
    r"(?i)(?:^|[@./])(?:example\.(?:com|net|org|edu)|(?:[\w-]+\.)*(?:test|example|invalid|localhost))\.?(?:[:/?#]|$)"
)

# RFC 5737 (TEST-NET-1 to 3), RFC 1122 (0.0.0.0, loopback, broadcast), RFC 3849 and RFC 9637 (IPv6), RFC 4291 (::, ::1).
_RESERVED_ADDRESSES = (
    r"(?i)^(?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d+(?:/\d+)?$"
    r"|^(?:127\.\d+\.\d+\.\d+|0\.0\.0\.0|255\.255\.255\.255)(?:/\d+)?$"
    r"|^(?:2001:0?db8:|3fff:0?)[0-9a-f:.]*(?:/\d+)?$"
    r"|^(?:::1?|(?:0{1,4}:){7}0{0,3}[01])(?:/\d+)?$"
)

# NANP: 555-0100 to 555-0199 are set aside for fiction (ATIS-0300115, 555 line numbers).
# 555 is no area code either; what is written as one in groups of three, three and four is made up.
_NO_AREA = r"^(?:\+?1[-. ]?)?\(?555\)?[-. ]?\d{3}[-. ]\d{4}$"
# Ofcom, "Telephone numbers for use in TV and radio drama programmes".
_FICTIONAL_PHONES = (
    r"^1?[2-9]\d\d55501\d\d$"
    r"|^(?:44|0)(?:2079460\d{3}|(?:113|114|115|116|117|118|121|131|141|151|161)4960\d{3}|1914980\d{3}"
    r"|2890180\d{3}|2920180\d{3}|1632960\d{3}|7700900\d{3}|8081570\d{3}|9098790\d{3}|3069990\d{3})$"
)

# Published by payment processors for tests (Stripe, PayPal, Adyen, Worldpay test-card pages).
_TEST_CARDS = (
    "4111111111111111", "4242424242424242", "4012888888881881", "4000056655665556", "4222222222222", "4000000000000002",
    "4000000000000077", "4000000000003220", "4000002500003155", "4000000000009995", "4000000000000069",
    "4000000000000127", "4000000000000119", "4917610000000000", "4444333322221111", "4462030000000000",
    "5555555555554444", "5105105105105100", "5200828282828210", "5454545454545454", "5424000000000015",
    "2223003122003222", "2223000048400011", "2222400070000005",
    "378282246310005", "371449635398431", "378734493671000", "370000000000002", "343434343434343",
    "6011111111111117", "6011000990139424", "6011981111111113", "6011000000000012",
    "3056930009020004", "30569309025904", "38520000023237", "36227206271667", "36438999960016",
    "3566002020360505", "3530111333300000", "6200000000000005", "6759649826438453",
    "0000000000000000",
)  # fmt: skip

# The Social Security Administration's "Meet Agnes Whitaker" and the Woolworth wallet card, and its advertising block
# 987-65-4320 to 4329; areas 000, 666 and 9xx are never issued as an SSN (SSA POMS RM 10201.035).
_VOID_SSN = r"^(?:078051120|219099999|457555462|123456789|98765432\d|000\d{6}|666\d{6}|9\d{8})$"

# The example IBANs of the SWIFT IBAN registry for the countries met most, and of Wikipedia's article on the IBAN.
_EXAMPLE_IBANS = (
    "GB29NWBK60161331926819", "GB82WEST12345698765432", "GB33BUKB20201555555555", "DE89370400440532013000",
    "DE75512108001245126199", "FR1420041010050500013M02606", "FR7630006000011234567890189", "NL91ABNA0417164300",
    "BE68539007547034", "ES9121000418450200051332", "IT60X0542811101000000123456", "CH9300762011623852957",
    "AT611904300234573201", "IE29AIBK93115212345678", "SE4550000000058398257466", "NO9386011117947",
    "DK5000400440116243", "FI2112345600000785", "PL61109010140000071219812874", "PT50000201231234567890154",
    "LU280019400644750000", "GR1601101250000000012300695", "CZ6508000000192000145399", "TR330006100519786457841326",
    "SA0380000000608010167519", "AE070331234567890123456", "IL620108000000099999999", "BR1800360305000010009795493C1",
)  # fmt: skip

# The documentation blocks of RFC 7042 (section 2.1.2) and addresses that are no one's.
_RESERVED_MACS = r"(?i)^(?:00005e0053|01005e9010)[0-9a-f]{2}$"

# The genesis block's address, which half of all articles on Bitcoin quote, and BIP-173's examples.
_EXAMPLE_WALLETS = (
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
)  # fmt: skip


def is_documentation(entity: pl.Expr, value: pl.Expr) -> pl.Expr:
    """Whether a value found as an entity is one that stands for nobody.

    Args:
        entity: Presidio's name of the entity.
        value: the text that was found, as it stands there.
    """
    digits = value.str.replace_all(r"\D", "")
    compact = value.str.replace_all(r"[\s-]", "").str.to_uppercase()
    hexadecimal = value.str.replace_all(r"[^0-9A-Fa-f]", "")
    return (
        pl.when(entity.is_in(["EMAIL_ADDRESS", "URL"]))
        .then(value.str.contains(_RESERVED_NAMES))
        .when(entity == "IP_ADDRESS")
        .then(value.str.contains(_RESERVED_ADDRESSES))
        .when(entity == "PHONE_NUMBER")
        .then(digits.str.contains(_FICTIONAL_PHONES) | value.str.contains(_NO_AREA))
        .when(entity == "CREDIT_CARD")
        .then(digits.is_in(_TEST_CARDS))
        .when(entity == "US_SSN")
        .then(digits.str.contains(_VOID_SSN))
        .when(entity == "US_ITIN")
        .then(digits.str.contains(r"^98765432\d$"))
        .when(entity == "IBAN_CODE")
        .then(compact.is_in(_EXAMPLE_IBANS))
        .when(entity == "MAC_ADDRESS")
        .then(hexadecimal.str.contains(_RESERVED_MACS))
        .when(entity == "CRYPTO")
        .then(value.is_in(_EXAMPLE_WALLETS))
        .otherwise(False)
    )
