"""Which field a column is likely to be: the table of synonyms as promised, and what comes beside it."""

import itertools
import re

import pytest

from app.catalog.model import COMPANY, PERSON, AttributeDefinition, Catalog
from app.core import clock
from app.imports.fields import FIELDS, folded
from app.imports.suggest import _TABLE, SYNONYMS, suggestions
from app.imports.table import Cell, Row

PERSONS_TABLE = """
firstName: first name, given name, forename, fname, vorname, prénom, nombre, nombre de pila, nome, ime, imię, \
nome próprio, primeiro nome, ad, isim
lastName: last name, surname, family name, lname, nachname, familienname, nom, nom de famille, apellido, apellidos, \
cognome, prezime, nazwisko, sobrenome, apelido, soyad, soyad\N{LATIN SMALL LETTER DOTLESS I}
middleName: middle name, second name, zweiter vorname, deuxième prénom, segundo nombre, secondo nome, srednje ime, \
drugie imię, nome do meio, ikinci ad
nickname: nickname, alias, spitzname, surnom, apodo, soprannome, nadimak, pseudonim, takma ad
email: email, e-mail address, mail, email 1 value, work email, emailaddress1, e-mail-adresse, adresse e-mail, \
courriel, correo, correo electrónico, posta elettronica, e-pošta, adresa e-pošte, adres e-mail, correio eletrónico, \
e-posta
phone: phone, phone number, mobile, mobile phone, cell, tel, msisdn, gsm, whatsapp, telefon, handy, mobilnummer, \
téléphone, portable, teléfono, móvil, celular, telefono, cellulare, mobitel, broj telefona, komórka, telefone, \
telemóvel, cep telefonu
birthDate: birth date, date of birth, dob, birthday, geburtsdatum, date de naissance, fecha de nacimiento, \
data di nascita, datum rođenja, data urodzenia, data de nascimento, doğum tarihi
gender: gender, sex, geschlecht, sexe, sexo, género, sesso, spol, pol, płeć, cinsiyet
address: address, street, mailing street, adresse, straße, rue, dirección, calle, indirizzo, via, adresa, ulica, \
adres, endereço, rua, sokak
city: city, town, mailing city, ort, stadt, ville, ciudad, città, grad, miasto, cidade, şehir, il
preferredLanguage: language, locale, sprache, langue, idioma, lingua, jezik, język, dil
timeZone: time zone, tz, zeitzone, fuseau horaire, zona horaria, fuso orario, vremenska zona, strefa czasowa, \
fuso horário, saat dilimi
"""
SHARED_TABLE = """
externalId: external id, customer id, client id, person id, user id, crm id, kundennummer, numéro client, id cliente, \
codice cliente, šifra kupca, numer klienta, código do cliente, müşteri no
country: country, mailing country, land, pays, país, paese, država, kraj, ülke
tags: tags, labels, groups, schlagwörter, étiquettes, etiquetas, etichette, oznake, tagi, etiketler
"""
COMPANIES_TABLE = """
name: company, company name, account name, organization, \
firma, unternehmen, entreprise, société, empresa, azienda, tvrtka, \
şirket
domains: domain, website
industry: industry, sector, branche, secteur, settore, djelatnost, branża, setor, sektör
"""


def table(*texts: str) -> list[tuple[str, str]]:
    """Return field and synonym of each entry."""
    lines = [line.partition(": ") for text in texts for line in text.strip().splitlines()]
    return [(field, word) for field, _, words in lines for word in words.split(", ")]


TABLES = {PERSON: table(SHARED_TABLE, PERSONS_TABLE), COMPANY: table(SHARED_TABLE, COMPANIES_TABLE)}
LINES = [(target, field, word) for target, lines in TABLES.items() for field, word in lines]


def catalog(*names: str, target: str = PERSON) -> Catalog:
    """Return a catalog with text attributes of these names."""
    made = Catalog("a")
    for name in names:
        made.add(AttributeDefinition(f"id of {name}", target, name, "STRING", clock.EPOCH))
    return made


def rows(*columns: list[Cell]) -> list[Row]:
    """Return the rows of a file by its columns."""
    return [Row(line, cells) for line, cells in enumerate(itertools.zip_longest(*columns), start=2)]


def suggested(*columns: str, target: str = PERSON, defined: Catalog | None = None) -> list[str | None]:
    """Return what headers alone suggest."""
    return suggestions(columns, [], target, defined or catalog())


@pytest.mark.parametrize(("target", "field"), sorted({(target, field) for target, field, _ in LINES}))
def test_each_synonym_suggests_its_field(target: str, field: str) -> None:
    """In any case and with other signs between its words."""
    words = [word for target_, field_, word in LINES if (target_, field_) == (target, field)]
    written = [*words, *[re.sub(r"[ -]", "_", word).upper() for word in words]]
    assert {word: suggested(word, target=target) for word in written} == {word: [field] for word in written}


@pytest.mark.parametrize("target", [PERSON, COMPANY])
def test_the_table_has_these_synonyms_and_no_others(target: str) -> None:
    """And none of them stands for two fields."""
    told = {(field, folded(word)) for field, word in TABLES[target]}
    parts = (_TABLE["both"], _TABLE[target.lower()])
    assert {(field, folded(word)) for part in parts for field, words in part.items() for word in words} == told
    assert len({word for _, word in told}) == len(told)
    assert set(SYNONYMS[target].values()) <= set(FIELDS[target])


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ("  First_Name ", "firstname"),
        ("PŁEĆ", "plec"),
        ("Datum rođenja", "datumrodenja"),
        ("Ærø", "aero"),
        ("Straße", "strasse"),
        ("SOYADI", "soyadi"),
        ("soyad\N{LATIN SMALL LETTER DOTLESS I}", "soyadi"),
        ("İsim", "isim"),
        ("\uff45\uff4d\uff41\uff49\uff4c", "email"),
        ("Имя (1)", "имя1"),
    ],
)
def test_a_header_is_folded(header: str, word: str) -> None:
    """Letters and digits are left, without case and marks."""
    assert folded(header) == word


@pytest.mark.parametrize("target", [PERSON, COMPANY])
def test_a_field_is_suggested_by_its_own_name(target: str) -> None:
    """So that a file of our own headers maps itself."""
    assert suggested(*FIELDS[target], target=target) == list(FIELDS[target])


@pytest.mark.parametrize("header", ["Shoe size", "SHOE SIZE", "shoe-size", "customAttributes.Shoe size", "Shoé size"])
def test_a_defined_attribute_is_suggested_by_its_name(header: str) -> None:
    """By the name that it was defined with."""
    assert suggested(header, defined=catalog("Shoe size")) == ["customAttributes.Shoe size"]


def test_an_attribute_of_the_other_target_is_none() -> None:
    """Those of companies are others."""
    assert suggested("Shoe size", defined=catalog("Shoe size", target=COMPANY)) == [None]


def test_of_attributes_that_look_alike_the_exact_one_is_meant() -> None:
    """And none where it is not said which."""
    defined = catalog("shoe-size", "shoe size")
    assert suggested("Shoe size", "shoe_size", defined=defined) == ["customAttributes.shoe size", None]


def test_a_synonym_goes_before_an_attribute() -> None:
    """The column that the field doesn't take falls to the attribute."""
    defined = catalog("Vorname")
    assert suggested("First name", "Vorname", defined=defined) == ["firstName", "customAttributes.Vorname"]
    assert suggested("Vorname", defined=defined) == ["firstName"]


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        (["a@x.at", "b@x.at", "mailto:c@x.at", "Dan <d@x.at>", "none"], "email"),
        (["a@x.at", "b@x.at", "c@x.at", "none", "none"], None),
        (["a@x.at", "b@x.at", "c@x.at", "none"], None),
        (["a@x.at", "n/a", "-", "", None], "email"),
        (["a@x.at; b@x.at"], "email"),
        (["+43 660 1234567", "0660/1", "(0660) 123-45-67", "06601234567", "06601234568"], "phone"),
        ([436601234567, 436601234568.0], "phone"),
        (["123456", "654321"], None),
        (["2026-05-04", "2026-05-05"], None),
        (["04.05.2026", "05.05.2026"], None),
        (["12345.67", "76543.21"], None),
        (["-1234567"], None),
        ([48.2081743, 16.3738189], None),
        ([True, False], None),
        (["", None], None),
        ([], None),
    ],
)
def test_content_suggests_where_the_header_says_nothing(cells: list[Cell], field: str | None) -> None:
    """Four of five samples are enough; dates and amounts are no phones."""
    assert suggestions(["Contact"], rows(cells), PERSON, catalog()) == [field]


def test_content_says_nothing_of_companies() -> None:
    """They have no emails and phones."""
    assert suggestions(["Contact"], rows(["a@x.at"]), COMPANY, catalog()) == [None]


def test_broken_and_short_rows_are_passed_over() -> None:
    """They are no samples."""
    broken = Row(3, ("x", "y"), "This row is broken.")
    assert suggestions(["a", "Contact"], [Row(2, ("x", "a@x.at")), broken, Row(4, ("x",))], PERSON, catalog()) == [
        None,
        "email",
    ]


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("Firstname*", "firstName"),
        ("frist name", None),
        ("E-mail adress", "email"),
        ("emails", "email"),
        ("email (2)", "email"),
        ("Phonenumber1", "phone"),
        ("Countrys", "country"),
        ("full name", None),
        ("Name", None),
        ("error", None),
        ("adz", None),
        ("telx", None),
        ("", None),
        ("№", None),
    ],
)
def test_a_header_nearly_like_a_synonym_suggests(header: str, field: str | None) -> None:
    """From five letters on; a full name is never split."""
    assert suggested(header) == [field]


def test_the_better_of_two_columns_keeps_a_field() -> None:
    """A synonym goes before likeness, whichever stands first; of equal ones the first keeps it."""
    assert suggested("First names", "First name") == [None, "firstName"]
    assert suggested("First name", "First names") == ["firstName", None]
    assert suggested("Vorname", "First name") == ["firstName", None]


def test_several_columns_may_be_emails_and_phones() -> None:
    """As tags and domains may."""
    assert suggested("Email", "Work email", "Phone", "Mobile", "Tags", "Labels") == [
        *["email"] * 2,
        *["phone"] * 2,
        *["tags"] * 2,
    ]
    assert suggested("Domain", "Website", target=COMPANY) == ["domains", "domains"]


def test_id_is_the_external_id_where_nothing_better_is() -> None:
    """Neither another column, nor what its cells show."""
    assert suggested("ID") == ["externalId"]
    assert suggested("ID", "Customer ID") == [None, "externalId"]
    assert suggested("id", "Customer IDs") == [None, "externalId"]
    assert suggested("id", defined=catalog("Id")) == ["customAttributes.Id"]
    assert suggestions(["id"], rows(["a@x.at"]), PERSON, catalog()) == ["email"]


def test_a_name_is_that_of_a_company() -> None:
    """Of a person it would be guessing."""
    assert suggested("Name", target=COMPANY) == ["name"]
    assert suggested("Name", "Company", target=COMPANY) == [None, "name"]
    assert suggested("Name") == [None]
