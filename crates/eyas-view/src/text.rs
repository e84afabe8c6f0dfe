//! Text, from the bitmaps of a font.

use std::sync::LazyLock;

use crate::frame::{Color, Frame};

/// Sizes of the embedded font.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Medium,
    Large,
    /// Numbers and labels of plots.
    Plot,
    /// Titles of plots.
    Heading,
}

struct Glyph {
    character: char,
    /// Width that it takes in a line, px.
    advance: f32,
    left: i32,
    top: i32,
    width: usize,
    height: usize,
    /// Opacities in `0..=15`, rows from the top.
    levels: Vec<u8>,
}

struct Face {
    ascent: f32,
    line_height: f32,
    glyphs: Vec<Glyph>,
}

static FACES: LazyLock<Vec<Face>> = LazyLock::new(|| {
    read(include_bytes!("../assets/inter.atlas")).expect("the embedded font is whole: a test reads it")
});

/// Reads what `assets/make_atlas.py` writes.
fn read(bytes: &[u8]) -> Option<Vec<Face>> {
    let mut bytes = bytes.strip_prefix(b"EYASFNT1")?;
    let mut take = |count: usize| {
        let (taken, rest) = bytes.split_at_checked(count)?;
        bytes = rest;
        Some(taken)
    };
    let [sizes] = *take(1)? else { return None };
    let mut faces = Vec::new();
    for _ in 0..sizes {
        let [ascent, line_height, low, high] = *take(4)? else { return None };
        let mut glyphs = Vec::new();
        for _ in 0..u16::from_le_bytes([low, high]) {
            let [a, b, c, d, low, high, left, top, width, height] = *take(10)? else { return None };
            let (width, height) = (usize::from(width), usize::from(height));
            let packed = take((width * height).div_ceil(2))?;
            glyphs.push(Glyph {
                character: char::from_u32(u32::from_le_bytes([a, b, c, d]))?,
                advance: f32::from(u16::from_le_bytes([low, high])) / 64.0,
                left: i32::from(left as i8),
                top: i32::from(top as i8),
                width,
                height,
                levels: packed.iter().flat_map(|byte| [byte & 15, byte >> 4]).collect(),
            });
        }
        faces.push(Face { ascent: f32::from(ascent), line_height: f32::from(line_height), glyphs });
    }
    Some(faces)
}

fn face(size: Size) -> &'static Face {
    &FACES[size as usize]
}

impl Face {
    /// A character's bitmap; what the font lacks shows as a question mark.
    fn glyph(&self, character: char) -> &Glyph {
        let find = |character| self.glyphs.iter().find(|glyph| glyph.character == character);
        find(character).or_else(|| find('?')).expect("the font has a question mark")
    }
}

/// Height of a line, px.
pub(crate) fn line_height(size: Size) -> f32 {
    face(size).line_height
}

/// Distance from the top of a line to the base of its letters, px.
pub(crate) fn ascent(size: Size) -> f32 {
    face(size).ascent
}

/// Width of a text, px.
pub(crate) fn width(text: &str, size: Size) -> f32 {
    text.chars().map(|character| face(size).glyph(character).advance).sum()
}

/// Writes a text from its upper left corner; returns where it ends.
pub(crate) fn write(frame: &mut Frame, text: &str, size: Size, [x, y]: [f32; 2], color: Color) -> f32 {
    let top = (y + 0.5).floor() as i32;
    set(text, size, x, |along, down, share| frame.blend(along, top + down, color, share))
}

/// Writes a text upwards; the corner where its line starts lies at the lower left.
pub(crate) fn write_up(frame: &mut Frame, text: &str, size: Size, [x, y]: [f32; 2], color: Color) {
    let left = (x + 0.5).floor() as i32;
    set(text, size, -y, |along, down, share| frame.blend(left + down, -along - 1, color, share));
}

/// Gives the pixels of a line of text that starts at `pen`: along the line, below its top, opacity in `[0, 1]`.
fn set(text: &str, size: Size, mut pen: f32, mut dot: impl FnMut(i32, i32, f32)) -> f32 {
    for character in text.chars() {
        let glyph = face(size).glyph(character);
        let left = (pen + 0.5).floor() as i32 + glyph.left;
        for (row, levels) in glyph.levels.chunks(glyph.width.max(1)).take(glyph.height).enumerate() {
            for (column, level) in levels.iter().enumerate().filter(|(_, level)| **level > 0) {
                dot(left + column as i32, glyph.top + row as i32, f32::from(*level) / 15.0);
            }
        }
        pen += glyph.advance;
    }
    pen
}

/// The text, or its start and an ellipsis, whichever fits into a width, px.
pub(crate) fn fitted(text: &str, size: Size, limit: f32) -> String {
    if width(text, size) <= limit {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if width(&kept, size) + width("…", size) > limit {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_font_is_whole() {
        let faces = read(include_bytes!("../assets/inter.atlas")).unwrap();
        assert_eq!(faces.len(), 5);
        assert!(faces.iter().all(|face| face.glyphs.len() > 95));
    }

    #[test]
    fn the_signs_of_units_are_there() {
        for sign in "±°²³µμ≤≥−×⁰⁻αβγωΔ".chars() {
            assert_eq!(face(Size::Plot).glyph(sign).character, sign);
        }
    }

    #[test]
    fn numbers_of_as_many_digits_are_as_wide() {
        for size in [Size::Small, Size::Medium, Size::Large, Size::Plot] {
            assert_eq!(width("11.11", size).to_bits(), width("40.98", size).to_bits());
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let cut = fitted("a very long name of a policy", Size::Medium, 120.0);
        assert!(cut.ends_with('…') && width(&cut, Size::Medium) <= 120.0, "{cut}");
        assert_eq!(fitted("short", Size::Medium, 120.0), "short");
    }
}
