"""Normalizes a sentence, so that width, case, traditional characters and quote styles make no difference."""

from __future__ import annotations

import re
import unicodedata

# Only the characters that occur in the lexicon; names are normalized in the same way.
_TRADITIONAL = (
    "暫繼續務節點誌編譯構測試啟動執運訓練佈進狀態歷記錄終結時間隊為麼別開關這個們優級線復還兩幾請幫讓沒將"
    "殺掛備檔輸機錯誤後發當現馬過從給說應該嗎難萬產煩單檢顯無資繫離礙聽話數據庫歸舊靜讀寫誰剛纔內裡裏邊對"
    "於與總擇壞擋載處確認劃銷週鐘顆億條種樣緊殭壓縮擱報傳遠兒東長門問題尋覽視監餘僅祇隻況幹麽"
)
_SIMPLIFIED = (
    "暂继续务节点志编译构测试启动执运训练布进状态历记录终结时间队为么别开关这个们优级线复还两几请帮让没将"
    "杀挂备档输机错误后发当现马过从给说应该吗难万产烦单检显无资系离碍听话数据库归旧静读写谁刚才内里里边对"
    "于与总择坏挡载处确认划销周钟颗亿条种样紧僵压缩搁报传远儿东长门问题寻览视监余仅只只况干么"
)
_TO_SIMPLIFIED = str.maketrans(_TRADITIONAL, _SIMPLIFIED)
_APOSTROPHES = str.maketrans("‘’`´＇", "'''''")
_SPACE = re.compile(r"\s+")


def normal(text: str) -> str:
    """NFKC, simplified, lower case, one kind of apostrophe, single spaces. Keeps apostrophes: "don't" is not "dont"."""
    text = unicodedata.normalize("NFKC", text).translate(_TO_SIMPLIFIED).translate(_APOSTROPHES).lower()
    return _SPACE.sub(" ", text).strip()


def is_mark(character: str) -> bool:
    """A part of the letter before it, such as a vowel sign."""
    return not character.isascii() and unicodedata.category(character) in ("Mn", "Mc")


# Scripts that write no space between words, or attach particles to them: Thai, Lao, Tibetan, Myanmar, Khmer, kana,
# Chinese characters, Hangul.
_WITHOUT_SPACES = (
    *((0x0E00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF)),
    *((0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
)


def needs_no_space(character: str) -> bool:
    """Whether a word may begin or end beside this letter without a space between them."""
    return not character.isascii() and any(first <= ord(character) <= last for first, last in _WITHOUT_SPACES)
