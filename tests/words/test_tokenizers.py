"""How texts are split into words: in English as Chroma does, in every language by our own tokenizer."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from chromadb.utils.embedding_functions.chroma_bm25_embedding_function import DEFAULT_CHROMA_BM25_STOPWORDS
from hypothesis import given
from hypothesis import strategies as st
from snowballstemmer import stemmer

from chroma_nb.words.tokenizers import STOP_WORDS, ChromaTokenizer, UnicodeTokenizer, is_english, stem

LANGUAGES = {
    "German": ("Größere Häuser: STRASSEN, Straße!", ["grössere", "häuser", "strassen", "strasse"]),
    "Russian": ("Ёлка и ёжик, ёлки-палки", ["елка", "и", "ежик", "елки", "палки"]),
    "Chinese": ("猫在睡觉。", ["猫在", "在睡", "睡觉", "猫", "在", "睡", "觉"]),
    "Japanese": ("東京でラーメン", ["東京", "京で", "でラ", "ラー", "ーメ", "メン", "東", "京"]),
    "half-width Japanese": ("ﾗｰﾒﾝ", ["ラー", "ーメ", "メン"]),
    "Korean": ("학교에서 책", ["학교", "교에", "에서", "책"]),
    "Thai": ("ที่นี่ดี", ["ที่นี่", "นี่ดี"]),
    "Arabic": ("كِتَابٌ جديد، مـدرسة", ["كتاب", "جديد", "مدرسة"]),
    "Hebrew": ("שָׁלוֹם עולם", ["שלום", "עולם"]),
    "Hindi": ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
    "Greek": ("ΟΔΟΣ οδός", ["οδοσ", "οδόσ"]),
    "Turkish": ("İstanbul", ["i̇stanbul"]),
    "emoji": ("I ❤️ 🐦s 🇩🇪 👩‍💻", ["i", "❤", "🐦", "s", "🇩🇪", "👩", "💻"]),
    "full width": ("Ａｐｐｌｅ ①", ["apple", "1"]),
    "code": ("snake_case(x1)", ["snake", "case", "x1"]),
    "mixed": ("Python3入門 café", ["python3", "入門", "入", "門", "café"]),
    "soft hyphens": ("Haus\u00adtür", ["haustür"]),
    "nothing": (" \n—!?", []),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_is_split_into_the_words_of_its_language(language: str) -> None:
    text, words = LANGUAGES[language]
    tokenizer = UnicodeTokenizer()
    assert list(tokenizer.words(text)) == words
    assert [tokenizer.term(word) for word in words] == words


@given(st.text(max_size=40))
def test_any_text_is_split_and_what_a_question_looks_for_is_in_the_same_document(text: str) -> None:
    tokenizer = UnicodeTokenizer()
    assert set(tokenizer.query_words(text)) <= set(tokenizer.words(text))
    assert list(tokenizer.words(text.upper())) == list(tokenizer.words(text.upper().lower().upper()))


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_ascii_is_split_as_it_would_be_among_other_characters(text: str) -> None:
    tokenizer = UnicodeTokenizer()
    assert [*tokenizer.words(text), "é"] == list(tokenizer.words(f"{text} é"))


@pytest.mark.parametrize("text", ["東京都庁", "ภาษาไทย", "국제도서전"])
def test_a_part_of_a_text_without_spaces_is_found(text: str) -> None:
    tokenizer = UnicodeTokenizer()
    for start in range(len(text) - 2):
        assert set(tokenizer.query_words(text[start : start + 3])) & set(tokenizer.words(f"xx {text} yy"))


def test_one_chinese_character_is_found_alone() -> None:
    tokenizer = UnicodeTokenizer()
    assert set(tokenizer.query_words("猫")) <= set(tokenizer.words("黒猫が好き"))
    assert list(tokenizer.query_words("黒猫")) == ["黒猫"]


def test_english_words_are_cut_to_their_stems_where_that_is_asked_for() -> None:
    tokenizer = UnicodeTokenizer(english=True)
    words = tokenizer.words("The cats and 猫猫 of cafés")
    assert [tokenizer.term(word) for word in words] == ["", "cat", "", "猫猫", "猫", "猫", "", "cafés"]


@pytest.mark.parametrize("letter", "xy")  # a stemmer takes a million y one by one, each in a new text
def test_a_very_long_word_is_one_and_comes_back_whole(letter: str) -> None:
    tokenizer = UnicodeTokenizer(english=True)
    (word,) = tokenizer.words(letter * 1_000_000)
    assert tokenizer.term(word) == word


def test_stems_that_snowball_changed_in_its_version_3_are_of_3() -> None:
    changed = {"organization": "organiz", "organs": "organ", "biologist": "biolog", "evenings": "evening"}
    assert {word: stem(word) for word in changed} == changed


def test_threads_that_stem_at_one_time_get_their_own_words_stems() -> None:
    words = [f"{beginning}{ending}" for beginning in map(str, range(500)) for ending in ("ing", "ations", "yed")]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(stem, words, chunksize=1))
    assert found == [stemmer("english").stemWord(word) for word in words]


def test_the_stop_words_are_chromas() -> None:
    assert list(STOP_WORDS) == DEFAULT_CHROMA_BM25_STOPWORDS


def test_chromas_tokenizer_leaves_out_stop_words_and_what_is_too_long() -> None:
    tokenizer = ChromaTokenizer(["Cats"], longest=4)
    assert {word: tokenizer.term(word) for word in tokenizer.words("CATS dogs horses")} == {
        "cats": "",
        "dogs": "dog",
        "horses": "",
    }
    assert tokenizer.query_words("A_b don't") == ["a_b", "don", "t"]


@pytest.mark.parametrize(
    ("texts", "english"),
    [
        (["a bird with a long bill that is found in the tropics"], True),
        (["The whale", "it is a fish", "自由"], True),
        (["ein Vogel mit einem langen Schnabel, der in den Tropen lebt"], False),
        (["un oiseau au long bec que l'on trouve dans les tropiques"], False),
        (["Ein Haus am See", "er war in der Stadt", "so will es die Natur"], False),
        (["птица с длинным клювом"], False),
        (["鳥は空を飛ぶ"], False),
        ([], False),
        (["", "42"], False),
    ],
)
def test_english_is_known_by_its_stop_words(texts: list[str], english: bool) -> None:
    assert is_english(iter(texts)) is english


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Kites, kites!", {"kites": ["Kites", "kites"]}),
        ("Große Straße", {"grosse": ["Große"], "strasse": ["Straße"]}),
        ("東京都「京」", {"東京": ["東京"], "京都": ["京都"], "東": ["東"], "京": ["京", "京"], "都": ["都"]}),
        ("ﾊﾞｽ です", {"バス": ["ﾊﾞｽ"], "です": ["です"]}),
        ("الطَّائِر", {"الطائر": ["الطَّائِر"]}),
        ("a_b🐦c", {"a": ["a"], "b": ["b"], "🐦": ["🐦"], "c": ["c"]}),
        ("", {}),
    ],
)
def test_spans_say_where_words_stand_as_they_are_written(text: str, found: dict[str, list[str]]) -> None:
    spans: dict[str, list[str]] = {}
    for start, end, word in UnicodeTokenizer().spans(text):
        spans.setdefault(word, []).append(text[start:end])
    assert spans == found


@given(st.text(max_size=40))
def test_spans_lie_in_the_text_and_none_is_empty(text: str) -> None:
    assert all(0 <= start < end <= len(text) for start, end, _ in UnicodeTokenizer().spans(text))
