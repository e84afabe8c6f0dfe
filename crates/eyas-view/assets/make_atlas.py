"""Draws the glyphs that frames and plots are labelled with, with Pillow.

    python make_atlas.py FOLDER_OF_INTER                              # inter.atlas: what the program itself writes
    python make_atlas.py FOLDER_OF_INTER --more FOLDER_OF_NOTO_SC     # more.atlas: what names of files may hold besides

The program embeds both, so that text does not depend on the fonts of a machine. `more.atlas` has letters of Europe in the
sizes of `inter.atlas`, and the 3755 most frequent Chinese characters (GB 2312, level 1) in one size, from which others are
made; it is compressed by zlib. All numbers are little-endian: magic, u8 sizes; for each size u8 ascent, u8 line height,
u16 glyphs; for each glyph u32 character, u16 advance in 1/64 px, i8 left, i8 top below the ascent, u8 width, u8 height, then
opacities, 4 bits each, low first.
"""

import struct
import sys
import zlib
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIZES = [
    ("Inter-Medium.otf", 14),
    ("Inter-SemiBold.otf", 20),
    ("Inter-SemiBold.otf", 34),
    ("Inter-Regular.otf", 20),
    ("Inter-SemiBold.otf", 25),
]
CHARACTERS = [chr(code) for code in range(32, 127)] + list(
    "°·×±²–—…→←−≈≠≤≥√∞µ³¹⁰⁴⁵⁶⁷⁸⁹⁻αβγδεζηθκλμνξπρστφχψωΓΔΘΛΠΣΦΨΩäöüßÄÖÜéèçñ"
)

HAN_SIZE = 20


def more_characters(known):
    """Letters and signs of Latin-1, Latin Extended-A, Greek and Cyrillic, and signs beside them, that `known` has not."""
    blocks = [*range(0xA1, 0x180), *range(0x386, 0x3CF), *range(0x400, 0x460), *range(0x2080, 0x208A)]
    signs = "‘’‚“”„†‡•‰‹›€№™↑↓↔∂∆∏∑∫⁺"
    return [chr(it) for it in blocks if chr(it).isprintable() and chr(it) not in known] + list(signs)


def han_characters():
    """Level 1 of GB 2312, and the full-width signs of Chinese texts."""
    level = [bytes([high, low]) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF)]
    return list("、。《》「」『』【】〔〕，．：；！？（）％～—") + [it.decode("gb2312") for it in level if it < b"\xd7\xfa"]


def glyph(font, character, advance):
    left, top, right, bottom = font.getbbox(character)
    width, height = max(right - left, 0), max(bottom - top, 0)
    header = struct.pack("<IHbbBB", ord(character), round(advance * 64), left, top, width, height)
    if not width * height:
        return header
    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).text((-left, -top), character, font=font, fill=255)
    levels = [(value * 15 + 127) // 255 for value in image.tobytes()] + [0]
    return header + bytes(low | high << 4 for low, high in zip(levels[::2], levels[1::2]))


def face(path, size, characters):
    font = ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
    ascent, descent = font.getmetrics()
    # Digits as wide as each other, so that numbers do not jump from frame to frame.
    digit = max(font.getlength(character) for character in "0123456789")
    missing = font.getmask("\uffff").getbbox(), font.getlength("\uffff")
    has = [it for it in characters if it.isspace() or (font.getmask(it).getbbox(), font.getlength(it)) != missing]
    advances = {it: digit if it.isascii() and it.isdigit() else font.getlength(it) for it in has}
    glyphs = b"".join(glyph(font, it, advances[it]) for it in has)
    return struct.pack("<BBH", ascent, ascent + descent, len(has)) + glyphs


def atlas(faces):
    return b"EYASFNT1" + bytes([len(faces)]) + b"".join(faces)


here, fonts = Path(__file__).parent, Path(sys.argv[1])
if sys.argv[2:3] == ["--more"]:
    faces = [face(fonts / name, size, more_characters(CHARACTERS)) for name, size in SIZES]
    faces.append(face(Path(sys.argv[3]) / "NotoSansSC-Regular.ttf", HAN_SIZE, han_characters()))
    (here / "more.atlas").write_bytes(zlib.compress(atlas(faces), 9))
else:
    (here / "inter.atlas").write_bytes(atlas([face(fonts / name, size, CHARACTERS) for name, size in SIZES]))
