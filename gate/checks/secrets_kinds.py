"""The kinds of secret that the `secrets` check knows: what each is, where its form is written down, how it is found.

A kind is found by a plug-in of `detect-secrets`, by gate's own expressions where that has none or one that stops too
early, or by both. `literals` and `possible` come first, in Rust, over whole columns: no text without one of the
literals and a match of `possible` can hold the kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

SecretKind = Literal[
    "private_key", "aws_access_key", "aws_secret_key", "azure_key", "google_key", "github_token", "gitlab_token",
    "openai_key", "anthropic_key", "huggingface_token", "slack_token", "stripe_key", "twilio_key", "sendgrid_key",
    "npm_token", "pypi_token", "discord_token", "telegram_token", "mailchimp_key", "square_token", "jwt",
    "connection_string", "basic_auth", "generic_password", "generic_secret",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Secret:
    """One kind of secret."""

    meaning: str
    literals: tuple[str, ...]
    """One of them stands in every text that holds the kind, in whatever case."""
    possible: str
    """A Rust expression that matches wherever the kind is found."""
    plugin: tuple[str, str] | None = None
    """Module and class of the `detect-secrets` plug-in."""
    patterns: tuple[re.Pattern[str], ...] = ()
    """gate's own, from the vendor's documentation; the value is the group `value`, or all of it."""
    bounded: bool = True
    """No letter or digit stands right before or behind: otherwise it is a part of something longer."""


def _own(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)


# A name that ends like a key's or a password's, and what is assigned to it. The name may be quoted (JSON) and stand
# in brackets, and quotes may be escaped, as inside a tool call; the value is quoted, or stands alone behind `=` after a
# name in capitals, as in an environment file.
_ASSIGNED = (
    r"""(?i:{names})\b\\{{0,3}}["'`]?\]?[ \t]{{0,4}}(?::=|=>|=|:)[ \t]{{0,4}}[brf]?\\{{0,3}}["'`]"""
    r"""(?P<value>[^"'`\s\\]{{{least},200}})\\{{0,3}}["'`]""",
    r"""(?<![a-z])(?:{capitals})\b[ \t]{{0,2}}=[ \t]{{0,2}}"""
    r"""(?P<value>[^"'`\s;,)\\]{{{least},200}})(?<!\.)""",
)
_KEYS = (
    r"(?:api[_-]?key|secret(?:[_-]?(?:access[_-]?)?key)?|access[_-]?key|auth[_-]?key|private[_-]?key"
    r"|encryption[_-]?key|signing[_-]?key|token|credential)"
)
_PASSWORDS = r"(?:passw(?:or)?d|passwd|pwd|passphrase)"
_DATABASES = r"(?i:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|sqlserver|oracle|clickhouse|cockroachdb)"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]{1,20}"

KINDS: dict[SecretKind, Secret] = {
    "private_key": Secret(
        "A private key in PEM, OpenSSH, PGP or PuTTY form (RFC 7468, RFC 4880; also inside a service account's JSON).",
        ("private key", "putty-user-key"),
        r"(?i)PRIVATE KEY|PuTTY-User-Key-File",
        # detect-secrets tells these by their first line alone, which manuals quote; here a body has to follow.
        patterns=_own(
            r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?P<value>(?:\\{1,3}[nr]|[\sA-Za-z0-9+/=:,.()@<>]){40,20000})",
            r"PuTTY-User-Key-File-[0-9]:[\s\S]{0,2000}?Private-Lines: [0-9]+\s+(?P<value>[A-Za-z0-9+/=\s]{40,8000})",
        ),
        bounded=False,
    ),
    "aws_access_key": Secret(
        "An access key id of Amazon Web Services (IAM identifiers, unique ID prefixes).",
        ("akia", "asia", "abia", "acca", "a3t"),
        r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}",
        ("aws", "AWSKeyDetector"),
    ),
    "aws_secret_key": Secret(
        "A secret access key of Amazon Web Services: 40 characters behind a name that says so.",
        ("aws", "secret"),
        r"(?is)(?:aws|secret).{0,80}[0-9a-z/+]{40}",
        patterns=_own(
            r"""(?i:aws.{0,20}?(?:key|secret|token)|secret_?access_?key)["'`]?\s{0,4}[:=]{1,2}>?\s{0,4}["'`]?(?P<value>[0-9A-Za-z/+]{40})(?![0-9A-Za-z/+=])"""
        ),
    ),
    "azure_key": Secret(
        "A key of an Azure storage account or service bus, or a client secret of Entra ID.",
        ("accountkey=", "sharedaccesskey=", "q~"),
        r"(?:AccountKey|SharedAccessKey)=|[0-9]Q~",
        ("azure_storage_key", "AzureStorageKeyDetector"),
        _own(
            r"SharedAccessKey=(?P<value>[A-Za-z0-9+/]{43}=)",
            r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])",
        ),
    ),
    "google_key": Secret(
        "An API key, OAuth client secret or access token of Google (Google Cloud, API keys and OAuth 2.0).",
        ("aiza", "gocspx-", "ya29."),
        r"AIza[0-9A-Za-z_-]{35}|GOCSPX-|ya29\.",
        patterns=_own(r"AIza[0-9A-Za-z_-]{35}", r"GOCSPX-[0-9A-Za-z_-]{28}", r"ya29\.[0-9A-Za-z_-]{30,2000}"),
    ),
    "github_token": Secret(
        "A token of GitHub: classic, fine-grained, OAuth, app or refresh (GitHub's token formats).",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"gh[pousr]_[A-Za-z0-9_]{36}|github_pat_[A-Za-z0-9_]{50}",
        ("github_token", "GitHubTokenDetector"),
        _own(r"github_pat_[A-Za-z0-9_]{50,255}"),
    ),
    "gitlab_token": Secret(
        "A token of GitLab: personal, deploy, runner, job or agent (GitLab's token prefixes).",
        ("glpat-", "gldt-", "glft-", "glsoat-", "glrt-", "gr1348941", "glcbt-", "glimt-", "glptt-", "glagent-",
         "gloas-"),
        r"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|GR1348941",
        ("gitlab_token", "GitLabTokenDetector"),
    ),
    "openai_key": Secret(
        "A key of OpenAI, or of a service that took over its form: `sk-` with or without project or service account.",
        ("sk-",),
        r"sk-[A-Za-z0-9_-]{20}",
        # detect-secrets asks for the mark of OpenAI's own older keys; services with the same interface have none.
        patterns=_own(
            r"(?<![A-Za-z0-9_-])sk-(?:proj|svcacct|admin|None|or-v1)-[A-Za-z0-9_-]{20,400}",
            r"(?<![A-Za-z0-9_-])sk-[A-Za-z0-9]{20,200}(?![A-Za-z0-9_-])",
        ),
    ),
    "anthropic_key": Secret(
        "A key of Anthropic (`sk-ant-` with its kind and version).",
        ("sk-ant-",),
        r"sk-ant-[a-z0-9]{2,8}-",
        patterns=_own(r"(?<![A-Za-z0-9_-])sk-ant-[a-z]{2,6}[0-9]{2}-[A-Za-z0-9_-]{20,200}"),
    ),
    "huggingface_token": Secret(
        "An access token of Hugging Face (User access tokens).",
        ("hf_", "api_org_"),
        r"(?:hf|api_org)_[A-Za-z0-9]{30}",
        patterns=_own(r"(?<![A-Za-z0-9_])(?:hf|api_org)_[A-Za-z0-9]{30,40}(?![A-Za-z0-9_])"),
    ),
    "slack_token": Secret(
        "A token or an incoming webhook of Slack (Slack's token types).",
        ("xox", "xapp-", "hooks.slack.com"),
        r"(?i)xox[abposre][-.]|xapp-|hooks\.slack\.com/(?:services|workflows|triggers)/",
        ("slack", "SlackDetector"),
        _own(
            r"xapp-[0-9]-[A-Z0-9]{8,20}-[0-9]{8,20}-[a-f0-9]{40,80}",
            r"xoxe(?:\.xox[bp])?-[0-9]-[A-Za-z0-9]{100,250}",
            r"hooks\.slack\.com/(?:workflows|triggers)/[A-Z0-9]{8,20}/(?P<value>[A-Za-z0-9/]{20,120})",
        ),
    ),
    "stripe_key": Secret(
        "A secret or restricted key, or a webhook's signing secret, of Stripe (API keys; those for tests count too).",
        ("k_live_", "k_test_", "whsec_"),
        r"[rs]k_(?:live|test)_[0-9a-zA-Z]{24}|whsec_[0-9a-zA-Z]{32}",
        ("stripe", "StripeDetector"),
        _own(r"[rs]k_(?:live|test)_[0-9a-zA-Z]{24,247}", r"whsec_[0-9a-zA-Z]{32,64}"),
    ),
    "twilio_key": Secret(
        "An API key SID of Twilio, 32 hexadecimal digits (Twilio's SID prefixes).",
        ("sk",),
        r"SK[0-9a-f]{32}",
        ("twilio", "TwilioKeyDetector"),
    ),
    "sendgrid_key": Secret(
        "An API key of SendGrid.",
        ("sg.",),
        r"SG\.[a-zA-Z0-9_-]{22}\.",
        ("sendgrid", "SendGridDetector"),
    ),
    "npm_token": Secret(
        "An access token of npm (About access tokens; `_authToken` in .npmrc).",
        ("npm_", "_authtoken"),
        r"npm_[A-Za-z0-9]{36}|(?i)_authToken",
        patterns=_own(
            r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])",
            r"_authToken[ \t]{0,4}=[ \t]{0,4}(?P<value>[A-Fa-f0-9]{8}(?:-[A-Fa-f0-9]{4}){3}-[A-Fa-f0-9]{12})",
        ),
    ),
    "pypi_token": Secret(
        "An upload token of PyPI or TestPyPI (a macaroon behind `pypi-`).",
        ("pypi-age",),
        r"pypi-AgE",
        ("pypi_token", "PypiTokenDetector"),
    ),
    "discord_token": Secret(
        "A bot token of Discord (three parts, the first an id).",
        (".",),
        r"[MNO][a-zA-Z0-9_-]{23,25}\.[a-zA-Z0-9_-]{6}\.[a-zA-Z0-9_-]{27}",
        ("discord", "DiscordBotTokenDetector"),
    ),
    "telegram_token": Secret(
        "A bot token of Telegram: an id, a colon and 35 characters.",
        (":aa",),
        r"[0-9]{8,10}:AA[0-9A-Za-z_-]{33}",
        ("telegram_token", "TelegramBotTokenDetector"),
    ),
    "mailchimp_key": Secret(
        "An API key of Mailchimp, with its data centre.",
        ("-us",),
        r"[0-9a-f]{32}-us[0-9]",
        ("mailchimp", "MailchimpDetector"),
    ),
    "square_token": Secret(
        "An OAuth secret or access token of Square.",
        ("sq0csp-", "sq0atp-"),
        r"sq0(?:csp|atp)-",
        ("square_oauth", "SquareOAuthDetector"),
        _own(r"sq0atp-[0-9A-Za-z_-]{22}"),
    ),
    "jwt": Secret(
        "A JSON Web Token that can be decoded (RFC 7519).",
        ("eyj",),
        r"eyJ[A-Za-z0-9_=-]{8,}\.[A-Za-z0-9_=-]{8,}",
        # The plug-in's own expression leaves the signature out; whether a token is one, it says (secrets_detect).
        patterns=_own(
            r"(?<![A-Za-z0-9_=.-])eyJ[A-Za-z0-9_=-]{8,4000}\.[A-Za-z0-9_=-]{8,8000}(?:\.[A-Za-z0-9_-]{0,2000})?"
        ),
    ),
    "connection_string": Secret(
        "The password in the address of a database or a queue, or in a connection string of ADO or ODBC.",
        ("://", "password=", "pwd="),
        r"://[^\s/@]{0,200}:[^\s@]{1,200}@|(?i)(?:server|data source|host)\s?=[^\n]{1,300}(?:password|pwd)\s?=",
        patterns=_own(
            rf"\b{_DATABASES}(?:\+[a-z0-9]{{1,12}})?://[^\s:/@'\"<>]{{0,100}}:"
            r"(?P<value>[^\s@'\"`<>]{1,200})@[\w\[{<$]",
            r"(?i)\b(?:server|data source|host)\s?=[^\n;]{1,120};[^\n]{0,200}?\b(?:password|pwd)\s?="
            r"\s?(?P<value>[^;\"'`\s]{1,120})",
        ),
        bounded=False,
    ),
    "basic_auth": Secret(
        "The password in a web address of the form scheme://user:password@host (RFC 3986, 3.2.1).",
        ("://",),
        r"://[^\s/@]{1,200}:[^\s@/]{1,200}@",
        # detect-secrets ends a password at `!`, `$` or `&`, which passwords are made of.
        patterns=_own(
            rf"\b{_SCHEME}://[^\s:/@'\"<>?#]{{1,100}}:(?P<value>[^\s/@'\"`<>?#]{{1,200}})@[A-Za-z0-9\[{{<$]"
        ),
        bounded=False,
    ),
    "generic_password": Secret(
        "A password that is assigned to a name: `password = \"…\"`, `DB_PASSWORD=…`.",
        ("pass", "pwd"),
        r"(?i)(?:pass[a-z]{0,6}|pwd)\\{0,3}[\"'`]?\]?[ \t]{0,4}[:=]",
        patterns=_own(
            *(each.format(names=_PASSWORDS, capitals="PASS(?:WORD|WD|PHRASE)?|PWD", least=8) for each in _ASSIGNED)
        ),
        bounded=False,
    ),
    "generic_secret": Secret(
        "A key or token that is assigned to a name and looks random: `api_key = \"…\"`, `AUTH_TOKEN=…`.",
        ("key", "secret", "token", "credential"),
        r"(?i:key|secret|token|credential)\\{0,3}[\"'`]?\]?[ \t]{0,4}[:=]{1,2}>?[ \t]{0,4}[brf]?\\{0,3}[\"'`]"
        r"[^\"'`\s\\]{16}|(?:KEY|SECRET|TOKEN|CREDENTIAL)[ \t]{0,2}=[ \t]{0,2}[^\"'`\s;,)\\]{16}",
        patterns=_own(
            *(each.format(names=_KEYS, capitals="KEY|SECRET|TOKEN|CREDENTIAL", least=16) for each in _ASSIGNED)
        ),
        bounded=False,
    ),
}  # fmt: skip
"""In the order of precedence: of kinds found at the same place, the first is reported."""

CODES: dict[str, str] = {kind: secret.meaning for kind, secret in KINDS.items()}
