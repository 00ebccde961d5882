"""Letters that pass for others."""

from __future__ import annotations

# Cyrillic and Greek letters that pass for Latin ones (Unicode's confusables.txt has thousands; these spell English).
CONFUSABLE = str.maketrans(
    "\u0430\u0441\u0435\u04bb\u0456\u0458\u043e\u0440\u0455\u0445\u0443\u0501\u051b\u0261\u04cf\u0410\u0412\u0415\u041a\u041c\u041d"
    "\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u03bf\u03c1\u03b1\u03bd\u0391\u0392\u0395\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a7",
    "acehijopsxydqglABEKMHOPCTXIJopavABEHIKMNOPTX",
)
