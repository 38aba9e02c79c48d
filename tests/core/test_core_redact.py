"""No secret survives, and ordinary text is left alone."""

from __future__ import annotations

import json
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.core.redact import MARK, redact, redact_data, suspicious

ALNUM = string.ascii_letters + string.digits
tail = st.text(ALNUM, min_size=36, max_size=60)
prefixed = st.one_of(
    st.builds("sk-{}".format, tail),
    st.builds("sk-proj-{}".format, tail),
    st.builds("ghp_{}".format, tail),
    st.builds("github_pat_{}".format, tail),
    st.builds("glpat-{}".format, tail),
    st.builds("xoxb-{}".format, tail),
    st.builds("AIza{}".format, tail),
    st.builds("hf_{}".format, tail),
    st.builds("AKIA{}".format, st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=16)),
    st.builds("eyJ{0}.{0}.{0}".format, st.text(ALNUM, min_size=12, max_size=20)),
)
password = st.text(ALNUM + "!#%&*+-./?^_~", min_size=6, max_size=30).filter(
    lambda p: (
        any(c.isalpha() for c in p)
        and any(c.isdigit() for c in p)
        and p[0] not in "./~#"
        and p[-1].isalnum()
        and p.count(".") < 2
        and "//" not in p
    )
)
named = st.sampled_from(["password", "DB_PASSWORD", "api_key", "client-secret", "access_token", "apiKey", "auth.token"])
around = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@given(prefixed, around, around)
def test_keys_with_a_form_of_their_own_never_survive(secret: str, before: str, after: str) -> None:
    assert secret not in redact(f"{before} {secret} {after}")
    assert suspicious(f"{before} {secret} {after}")


@given(named, password, st.sampled_from(['{}="{}"', "{}: '{}'", "{} = {}", '"{}": "{}",', "{}:{}\n"]))
def test_values_named_as_secrets_never_survive(name: str, secret: str, form: str) -> None:
    text = form.format(name, secret)
    assert secret not in redact(text), text
    assert secret not in redact(json.dumps({"text": text}))


quoted = st.text(ALNUM + "$,;<>()[]{}!#%&*+-./:=?@^_|~ \u00e9\u5bc6", min_size=8, max_size=30).filter(
    lambda p: (
        any(c.isalpha() for c in p)
        and any(c.isdigit() for c in p)
        and p[0].isalpha()
        and p[-1].isalnum()
        and "${" not in p
        and "$(" not in p
        and "[secret" not in p
    )
)


@given(
    named,
    quoted,
    st.sampled_from(['{}="{}"', "{}: '{}'", '{} = "{}"', '{{"{}": "{}", "x": 1}}', '{}\uff1a"{}"', "{}='{}';"]),
)
def test_what_is_in_quotes_never_survives_in_part(name: str, secret: str, form: str) -> None:
    text = form.format(name, secret)
    assert redact(text) == form.format(name, MARK), text
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"password": "Pa$$w0rd!9"}', '{"password": "[secret]"}'),
        ('password: "abc(12)3def"', 'password: "[secret]"'),
        ('db_password = "S3cr,et;9x"', 'db_password = "[secret]"'),
        ("password: 'it is 7 \"o\" clock'", "password: '[secret]'"),
        ('passphrase: "correct horse battery staple"', 'passphrase: "[secret]"'),
        ('PASSWORD="correct horse battery staple"', 'PASSWORD="[secret]"'),
        ("DB_PASSWORD=xy<12>abcd9", "DB_PASSWORD=[secret]"),
        ("DB_PASSWORD=S3cr,et;9x\nA=1", "DB_PASSWORD=[secret]\nA=1"),
        ("Server=a;PASSWORD=abc123;Database=b", "Server=a;PASSWORD=[secret];Database=b"),
        ("PASSWORD=hunters; ./run", "PASSWORD=[secret]; ./run"),
        ("f(TOKEN=abcd1234)", "f(TOKEN=[secret])"),
        ("password: Pa$$w0rd!9", "password: [secret]"),
        ("password\uff1aHx8822kdQ", "password\uff1a[secret]"),
        ("password\uff1aHx8822kdQ\uff0c\u8bf7\u4fdd\u5b58", "password\uff1a[secret]\uff0c\u8bf7\u4fdd\u5b58"),
        ("TOKEN=" + "a1" * 5000 + " x", "TOKEN=[secret] x"),
        ("token: " + "a1" * 5000 + ", x", "token: [secret], x"),
    ],
)
def test_values_with_signs_in_them(text: str, wanted: str) -> None:
    assert redact(text) == wanted


@pytest.mark.parametrize(
    "unit", ["token=", "TOKEN=(1", "TOKEN=${", "TOKEN=f(1", "token=1==", 'token:"', "PASSWORD=a,", "://a:"]
)
@pytest.mark.parametrize("end", ["", "(", '"'])
def test_long_lines_that_mean_harm_take_no_longer_than_their_length(unit: str, end: str) -> None:
    def seconds(size: int) -> float:
        begun = time.process_time()
        redact(unit * (size // len(unit)) + end)
        return time.process_time() - begun

    assert seconds(200_000) < 30 * seconds(20_000) + 0.2, "a hundred times as long, were it quadratic"


@pytest.mark.parametrize("begin", ["TOKEN=", 'token="', "-----BEGIN PRIVATE KEY-----", "token ", "token=\\"])
@pytest.mark.parametrize("then", ["${", "(", ")", ",;", "<", "{", "-----BEGIN PRIVATE KEY-----", " "])
def test_a_long_value_that_means_harm_takes_no_longer_than_its_length(begin: str, then: str) -> None:
    begun = time.process_time()
    redact(begin + then * (300_000 // len(then)) + '"')
    assert time.process_time() - begun < 5


@given(password)
def test_passwords_in_urls_never_survive(secret: str) -> None:
    secret = secret.replace("/", "x")
    found = redact(f"postgres://app:{secret}@db.example.com:5432/orders")
    assert f":{secret}@" not in found and found.endswith("@db.example.com:5432/orders")


@given(st.text(ALNUM + "+/=\n", min_size=40, max_size=400))
def test_private_keys_never_survive(body: str) -> None:
    whole = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"
    assert body not in redact(whole)
    assert body not in redact(whole.partition("-----END")[0])  # cut off by a limit


@given(st.one_of(prefixed, password), around)
def test_twice_is_once(secret: str, text: str) -> None:
    once = redact(f"{text} password: {secret} https://u:{secret}@h {text}")
    assert redact(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "Forgot your password? Write the new password: see the manual, page 12.",
        "The token budget: 4096 tokens, max_tokens=12345678, completion_tokens: 123456",
        'api_key = os.environ["OPENAI_API_KEY"]',
        "API_KEY = settings.api_key",
        "password=getpass.getpass()",
        "token = tokenizer.encode(text)",
        "SELECT name AS primary_key FROM secrets_of_the_sea",
        "See https://example.com:8080/path and mailto:a@b.example",
        "password = get_password()\ntoken: str\nTOKEN=get_token(x1)\nif (TOKEN==make(1)): API_KEY=os.environ['KEY_1']",
        'token: "Optional[str]" = None\npassword = "get_password(1)"\nconnect(password=f"{password1}")',
        'export TOKEN=$(cat token1) PASSWORD=$DB_PASS API_KEY=$(pass show key1)\ncurl -u "password=$password"',
        '"token": "${{ secrets.T1 }}", "password": "{{ vault.x1 }}", "secret": "<your secret 1>", "token": "a-${TOKEN1}"',
        '"password": "Enter your password, please (or none)"',
        "token\uff1a\u6bcf\u5929\u6700\u591a100\u6b21",
        "the secret garden: a novel; the basic internationalization of programs",
        "secret: true\npassword: null\ntoken: ''\nexport TOKEN=${TOKEN}\nMAX_TOKENS=8192",
        "Ein Bericht über die Passwörter: keine. 密码:见手册",
        "IBAN DE89370400440532013000, order 2024-11-03, sha256:9f86d081884c7d65",
        "ask-me-anything-about-the-garden, disk-usage-of-the-machine",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


@given(st.text(string.ascii_letters + " .,:;\n'\"()=-", max_size=300))
def test_words_without_the_names_of_secrets_are_left_alone(text: str) -> None:
    if not suspicious(text):
        assert redact(text) == text


def test_data_keeps_its_shape() -> None:
    key = "sk-" + "a1" * 20
    data = {"a": [key, 1, None, {"b": f"x {key}"}], key: True}
    assert redact_data(data) == {"a": [MARK, 1, None, {"b": f"x {MARK}"}], MARK: True}
