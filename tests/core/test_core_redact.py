"""No secret survives, and ordinary text is left alone."""

from __future__ import annotations

import json
import string

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
