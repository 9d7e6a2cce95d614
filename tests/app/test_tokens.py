"""Device tokens and temporary accounts."""

from __future__ import annotations

import re

import pytest

from provd.app.tokens import TokenBook, Tokens
from provd.base.errors import ConfigError
from provd.base.types import Mac

ME = Mac("02aaaa000001")
OTHER = Mac("02aaaa000002")


def test_a_token_is_stable_short_and_belongs_to_one_device():
    tokens = Tokens(b"k" * 32)
    token = tokens.token(ME)
    assert re.fullmatch(r"[a-z2-7]{26}", token)
    assert token == Tokens(b"k" * 32).token(ME)
    assert len({token, tokens.token(OTHER), tokens.token(ME, 1), Tokens(b"x" * 32).token(ME)}) == 4
    assert tokens.valid(token, ME)
    assert not tokens.valid(token, OTHER)
    assert not tokens.valid(token, ME, 1)
    assert not tokens.valid("", ME)


def test_a_temporary_account_has_a_password_of_its_own():
    tokens = Tokens(b"k" * 32)
    account = tokens.account(ME)
    assert account.username == "ap02aaaa000001"
    assert len(account.password.reveal()) >= 24
    assert account.password.reveal() != tokens.token(ME)
    assert account == tokens.account(ME)
    assert account.password != tokens.account(ME, 1).password
    assert account.password.reveal() not in repr(account)


def test_a_short_key_is_refused():
    with pytest.raises(ConfigError, match="16 octets"):
        Tokens(b"short")


def test_the_book_knows_the_owner_of_the_latest_token_only():
    tokens = Tokens(b"k" * 32)
    book = TokenBook(tokens)
    old = book.token(ME, 0)
    assert book.token(ME, 0) == old
    assert book.owner(old) == ME
    new = book.token(ME, 1)
    assert (book.owner(old), book.owner(new)) == (None, ME)
    book.drop(ME)
    book.drop(ME)
    assert book.owner(new) is None
