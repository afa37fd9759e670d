"""Which joints of a list of names are left and right of each other.

A side is found in a name only where the list has the same name with the other side in
its place: "lear" is an ear if there is a "rear", and "bright" is no right "b".
"""

import re
from collections.abc import Sequence

__all__ = ["LEFT_RIGHT", "find_pairs"]

LEFT_RIGHT = (
    ("left", "right"),
    ("l|lt|lft", "r|rt|rgt"),
    # French, German, Dutch, Spanish, Portuguese, Italian, Romanian.
    ("gauches?|g", "droite?s?|d"),
    ("links|linke[rsnm]?|li?", "rechts|rechte[rsnm]?|re?"),
    ("izquierd[oa]s?|izqd?a?|izda?|i", "derech[oa]s?|der|drcha?|dcha?|d"),
    ("esquerd[oa]s?|esq|e", "direit[oa]s?|dir|d"),
    ("sinistr[oaei]|sin|sx|s", "destr[oaei]|des|dx|d"),
    ("stang[aă]?|stâng[aă]?", "drept|dreapt[aă]"),
    # Danish, Norwegian, Swedish, Finnish, Polish, Czech, Hungarian, Turkish, Greek.
    ("venstre|vänster|vänstra|v", "højre|høyre|höger|högra|h"),
    ("vasen|vasem?pi", "oikea|oikeampi"),
    ("lew[yaei]|l", "praw[yaei]|p"),
    ("lev[yýaáeé]|l", "prav[yýaáeé]|p"),
    ("bal", "jobb"),
    ("sol", "sağ|sag"),
    ("αριστερ[όοήηάα]ς?", "δεξι[όοάαά]ς?"),
    # Russian and Ukrainian.
    ("лев(?:ый|ая|ое|ой|ого)|лів(?:ий|а|е)", "прав(?:ый|ая|ое|ой|ого|ий|а|е)"),
    # Chinese, Japanese, Korean, Vietnamese, Thai, Indonesian, Hindi, Arabic, Hebrew.
    ("左[侧側边邊の]?", "右[侧側边邊の]?"),
    ("왼쪽?|좌측?", "오른쪽?|우측?"),
    ("trái|trai", "phải|phai"),
    ("ซ้าย", "ขวา"),
    ("kiri", "kanan"),
    ("बाय[ाे]ं?|बाए[ँं]|बायाँ", "दाय[ाे]ं?|दाए[ँं]|दायाँ"),
    ("الأيسر|اليسرى|أيسر|يسرى|يسار", "الأيمن|اليمنى|أيمن|يمنى|يمين"),
    ("שמאלית?|שמאל", "ימנית?|ימין|ימני"),
)
"""Words for left and for right as patterns, a pair for each language."""

# English l and r may be joined to a name, as in `lear`; other letters stand apart.
_JOINED = LEFT_RIGHT[1]


def find_pairs(names: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (left, right) of indices of names that differ by their side alone.

    Args:
        names: unique, in lower case, their words joined by `_`.

    Returns:
        The pairs in order of their first joint. A name that would be of two pairs is of
        the first one found, in the order of `LEFT_RIGHT`.
    """
    taken: set[int] = set()
    pairs = []
    for patterns in LEFT_RIGHT:
        lefts, rights = (_rests(names, p, patterns == _JOINED) for p in patterns)
        for rest, left in lefts.items():
            right = rights.get(rest, left)
            if right != left and not {left, right} & taken:
                taken |= {left, right}
                pairs.append((left, right))
    return sorted(pairs, key=min)


def _rests(
    names: Sequence[str], pattern: str, joined: bool
) -> dict[tuple[str, str], int]:
    """The names that have a side, by what is before and behind it."""
    found: dict[tuple[str, str], int] = {}
    for index, name in enumerate(names):
        for match in re.finditer(pattern, name):
            before, behind = name[: match.start()], name[match.end() :]
            apart = [not before or before[-1] == "_", not behind or behind[0] == "_"]
            if len(match.group()) == 1 and match.group().isascii():
                # A letter of "a", "b", "c", ... or of "point_a", ... is no side.
                if not (before or behind) or _counted(names, before, behind) > 2:
                    continue
                if not joined and not all(apart):
                    continue
            if any(apart):
                found.setdefault((before, behind), index)
    return found


def _counted(names: Sequence[str], before: str, behind: str) -> int:
    """How many names have one letter between the two parts."""
    length = len(before) + len(behind) + 1
    return sum(
        len(name) == length and name.startswith(before) and name.endswith(behind)
        for name in names
    )
