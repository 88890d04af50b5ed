"""What each finding of the pii check means: Presidio's entities for English, by the recognisers that it ships."""

from __future__ import annotations

PATTERNS: dict[str, str] = {
    "CREDIT_CARD": "A payment card number: 12 to 19 digits whose check digit is right.",
    "CRYPTO": "A Bitcoin wallet address whose checksum is right.",
    "DATE_TIME": "A date or a time. Seldom personal on its own.",
    "EMAIL_ADDRESS": "An e-mail address under a public suffix.",
    "IBAN_CODE": "An international bank account number whose check digits are right.",
    "IP_ADDRESS": "An IPv4 or IPv6 address.",
    "MAC_ADDRESS": "The hardware address of a network interface.",
    "MEDICAL_LICENSE": "A certificate number of the US Drug Enforcement Administration whose check digit is right.",
    "PHONE_NUMBER": "A phone number that is valid in one of Presidio's regions, or in international form.",
    "UK_NHS": "A number of the UK's National Health Service whose check digit is right.",
    "URL": "A web address. Source code looks like one (message.as), and most are public.",
    "US_BANK_NUMBER": "Eight to seventeen digits, which may be a US bank account. Mostly just a number.",
    "US_DRIVER_LICENSE": "Letters and digits as on a US driver licence. Mostly something else.",
    "US_ITIN": "A US individual taxpayer identification number.",
    "US_PASSPORT": "Nine digits, or a letter and eight, as on a US passport. Mostly just a number.",
    "US_SSN": "A US social security number.",
    "UUID": "A universally unique identifier. Seldom personal on its own.",
}
"""Found by patterns and checksums; no model is needed."""

MODELS: dict[str, str] = {
    "AGE": "A person's age, found by a model.",
    "ID": "An identifier, found by a model.",
    "LOCATION": "A place, found by a model.",
    "MISC": "A name of some other kind, found by a model.",
    "NRP": "A nationality, religious or political group, found by a model.",
    "ORGANIZATION": "An organisation, found by a model.",
    "PERSON": "A person's name, found by a model.",
}
"""Found by a model only: `engine: spacy`, `transformers` or `gliner`."""

UNSCANNABLE = "unscannable"

CODES: dict[str, str] = {
    **PATTERNS,
    **MODELS,
    UNSCANNABLE: "Presidio failed on this text, so that nobody knows what is in it.",
}
