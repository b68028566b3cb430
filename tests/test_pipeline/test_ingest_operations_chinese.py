"""Width, simplified and traditional characters, and masking, against plain Python and known cases."""

import itertools
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opencc import OpenCC
from pydantic import ValidationError

from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.operations.chinese import ConvertChinese, FoldWidth
from pipeline.ingest.operations.masking import Mask, is_card_number, is_id_number
from pipeline.ingest.operations.trie import build_trie, replace_longest


def one(op, text):
    out = op.transform(pa.array([text, None, text]))
    assert out[1].as_py() is None
    assert out[0].as_py() == out[2].as_py()
    return out[0].as_py()


@given(st.text(st.one_of(st.characters(min_codepoint=0xFF01, max_codepoint=0xFF9F), st.sampled_from("aA 客　①"))))
def test_fold_width_equals_nfkc_on_wide_and_narrow_forms(text):
    # Sound marks of half-width kana would compose with the kana before them; they have a test of their own.
    text = text.translate({0xFF9E: None, 0xFF9F: None})
    assert one(FoldWidth(), text) == "".join(c if c == "①" else unicodedata.normalize("NFKC", c) for c in text)


@pytest.mark.parametrize(
    ("op", "before", "after"),
    [
        (FoldWidth(), "ＡＢＣ１２３，！　ｶﾞｷﾞﾟ①", "ABC123,! ガギ゚①"),
        (FoldWidth(punctuation=False), "Ｖ２很好，对！　吗？", "V2很好，对！　吗？"),
        (ConvertChinese(), "頭髮發展臺灣軟體 ABC", "头发发展台湾软体 ABC"),
        (ConvertChinese(to="traditional"), "头发发展，皇后在后面", "頭髮發展，皇后在後面"),
        (ConvertChinese(to="taiwan"), "里面的软件", "裡面的軟件"),
        (ConvertChinese(to="hongkong"), "里面的头发", "裏面的頭髮"),
        (ConvertChinese(), "no Chinese here", "no Chinese here"),
    ],
)
def test_examples(op, before, after):
    assert one(op, before) == after


_ZH = "这家外卖的头发发展后来干杯皇后里面软件网络台湾复杂关于云说吃了只一个系统联系钟表面条松树"


@pytest.mark.parametrize("to", ["traditional", "taiwan", "hongkong"])
@settings(deadline=None, max_examples=50)
@given(text=st.text(st.sampled_from(_ZH + "，。aB"), max_size=30))
def test_conversion_there_and_back_keeps_length_and_latin(to, text):
    there = one(ConvertChinese(to=to), text)
    assert len(there) == len(text)
    assert [c for c in there if c.isascii()] == [c for c in text if c.isascii()]


def test_conversion_equals_the_package_on_plain_sentences():
    sentences = [
        "这家店的外卖送得很慢，头发都等白了。",
        "软件发展很快，我们后来联系了客服。",
        "面条太咸，里面还有头发！",
    ]
    for to, name in (("traditional", "s2t"), ("taiwan", "s2tw"), ("hongkong", "s2hk")):
        reference = OpenCC(name)
        assert [one(ConvertChinese(to=to), s) for s in sentences] == [reference.convert(s) for s in sentences]
    back = OpenCC("t2s")
    for sentence in map(OpenCC("s2t").convert, sentences):
        assert one(ConvertChinese(), sentence) == back.convert(sentence)


_PIECES = (
    "身體健康",
    "軟體",
    "體",
    "集體",
    "頭髮",
    "後面",
    "裡",
    "乾杯",
    "皇后",
    "关系",
    "体",
    "abc ",
    "，",
    "\n",
    "𠮷",
    "é",
    "の",
)


@settings(deadline=None, max_examples=100)
@given(
    texts=st.lists(st.none() | st.lists(st.sampled_from(_PIECES), max_size=40).map("".join), max_size=9),
    start=st.integers(0, 9),
)
def test_to_simplified_equals_the_package_on_mixed_texts(texts, start):
    back = OpenCC("t2s")
    part = pa.array(texts, pa.string()).slice(start)
    expected = [None if text is None else back.convert(text) for text in texts[start:]]
    assert ConvertChinese().transform(part).to_pylist() == expected


def longest(text, entries):
    out, i = "", 0
    while i < len(text):
        keys = [k for k in entries if text.startswith(k, i)]
        key = max(keys, key=len, default=None)
        out += entries[key] if key else text[i]
        i += len(key) if key else 1
    return out


_WORDS = st.text("ab投诉é😀", min_size=1, max_size=4)


@settings(deadline=None)
@given(
    st.dictionaries(_WORDS, st.text("xyz退款", max_size=12), max_size=8), st.lists(st.text("ab投诉é😀 ", max_size=12))
)
def test_trie_replaces_the_longest_entry_at_each_place(entries, texts):
    data, offsets, _ = text_buffers(pa.array(texts, pa.string()))
    out, places = replace_longest(data, offsets.astype("int64"), build_trie(entries))
    pieces = [bytes(out[a:b]).decode() for a, b in itertools.pairwise(places)]
    assert pieces == [longest(t, entries) for t in texts]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("看 https://a.example/b?c=1&d=2 或 www.example.com 吧", "看 <url> 或 <url> 吧"),
        ("mail me.too+x@mail.example.co.uk!", "mail <email>!"),
        ("邮箱service@example.cn谢谢", "邮箱<email>谢谢"),
        ("电话13812345678谢谢", "电话<phone>谢谢"),
        ("+86 138-1234-5678, 010-62345678, (0571)87654321", "<phone>, <phone>, <phone>"),
        ("400-123-4567 或 8001234567", "<phone> 或 <phone>"),
        ("call (212) 555-0100 or 1-212-555-0100 or 212.555.0100", "call <phone> or <phone> or <phone>"),
        ("+44 20 7946 0958", "<phone>"),
        ("身份证11010519491231002X。", "身份证<id_number>。"),
        ("身份证110105194912310021", "身份证110105194912310021"),
        ("SSN 123-45-6789, not 000-45-6789", "SSN <id_number>, not 000-45-6789"),
        ("卡号4111 1111 1111 1111到账", "卡号<bank_card>到账"),
        ("卡号4111111111111112", "卡号4111111111111112"),
        ("卡号4111 1111 1111 1111 50元", "卡号<bank_card> 50元"),
        ("共 3 4111-1111-1111-1111 2024", "共 3 <bank_card> 2024"),
        ("6222021234567890128 4111 1111 1111 1111 12", "<bank_card> <bank_card> 12"),
        ("4111 1111 1111 1112 13812345678", "4111 1111 1111 1112 <phone>"),
        ("ID11010519491231002x, sha 3f11010519491231002Xab", "ID<id_number>, sha 3f11010519491231002Xab"),
        ("10.0.0.1 and 2001:db8::1 and 999.1.1.1", "<ip> and <ip> and 999.1.1.1"),
        ("v1.2.3.4.5 at 12:30:45 on 2024-01-31, 价格1234567", "v1.2.3.4.5 at 12:30:45 on 2024-01-31, 价格1234567"),
        ("订单20240101123456, 3.14159265", "订单20240101123456, 3.14159265"),
        ("a::b C++::std", "a::b C++::std"),
        ("@someone a@b", "@someone a@b"),
        ("电话１３８１２３４５６７８，谢谢！", "电话<phone>，谢谢！"),
        ("手机１３８　１２３４　５６７８", "手机<phone>"),
        ("（０１０）６２３４５６７８", "<phone>"),
        ("身份证１１０１０５１９４９１２３１００２Ｘ。", "身份证<id_number>。"),
        ("卡号４１１１－１１１１－１１１１－１１１１ ５０元", "卡号<bank_card> ５０元"),
        ("ｍｅ＠ｍａｉｌ．ｃｏｍ 与 ｈｔｔｐ：／／ａ．ｃｎ", "<email> 与 <url>"),
        ("138－1234－5678，0571　87654321，abc：：1", "<phone>，<phone>，<ip>"),
        ("共１２３４件，１.５倍", "共１２３４件，１.５倍"),
    ],
)
def test_masking(text, masked):
    assert one(Mask(), text) == masked


def test_masking_of_some_kinds_in_own_words():
    op = Mask(kinds=("phone", "url"), replacement="[{kind}]")
    assert one(op, "x@y.example 13812345678 http://z.example") == "x@y.example [phone] [url]"
    assert one(Mask(replacement=""), "a 13812345678 b") == "a  b"
    with pytest.raises(ValidationError, match="no other place in braces"):
        Mask(replacement="{name}")


@given(st.integers(0, 10**14 - 1))
def test_luhn_accepts_one_check_digit_in_ten(number):
    assert sum(is_card_number(f"6{number:014d}{check}") for check in range(10)) == 1
    assert not any(is_card_number(f"8{number:014d}{check}") for check in range(10))


@pytest.mark.parametrize(("born", "right"), [("19491231", 1), ("17491231", 0), ("19490230", 0), ("19491301", 0)])
def test_id_numbers_need_one_check_digit_and_a_birthday(born, right):
    assert sum(is_id_number(f"110105{born}002{check}") for check in "0123456789X") == right


@settings(max_examples=400)
@given(st.text("0123456789Xx@.:/ -+wab一，０１２９＠．：／－　（ｗ", max_size=40))
def test_masking_finds_in_a_frame_what_it_finds_in_a_text(text):
    op = Mask()
    assert one(op, text) == op._masked(text)
