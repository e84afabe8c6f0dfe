"""Draws the glyphs of Inter that frames and plots are labelled with: `python make_atlas.py FOLDER_OF_INTER`, with Pillow.

The program embeds the outcome, `inter.atlas`, so that text does not depend on the fonts of a machine. All numbers are
little-endian: magic, u8 sizes; for each size u8 ascent, u8 line height, u16 glyphs; for each glyph u32 character,
u16 advance in 1/64 px, i8 left, i8 top below the ascent, u8 width, u8 height, then opacities, 4 bits each, low first.
"""

import struct
import sys
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


def face(path, size):
    font = ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
    ascent, descent = font.getmetrics()
    # Digits as wide as each other, so that numbers do not jump from frame to frame.
    digit = max(font.getlength(character) for character in "0123456789")
    advances = {it: digit if it.isascii() and it.isdigit() else font.getlength(it) for it in CHARACTERS}
    glyphs = b"".join(glyph(font, it, advances[it]) for it in CHARACTERS)
    return struct.pack("<BBH", ascent, ascent + descent, len(CHARACTERS)) + glyphs


fonts = Path(sys.argv[1])
faces = b"".join(face(fonts / name, size) for name, size in SIZES)
Path(__file__).with_name("inter.atlas").write_bytes(b"EYASFNT1" + bytes([len(SIZES)]) + faces)
