//! Text, from the bitmaps of two fonts: Inter, and Noto Sans SC for Chinese.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read as _;
use std::sync::LazyLock;

use flate2::read::ZlibDecoder;

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

#[derive(Clone, Debug, PartialEq)]
struct Glyph {
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
    glyphs: HashMap<char, Glyph>,
}

/// A face for each size.
static FACES: LazyLock<Vec<Face>> = LazyLock::new(|| {
    read(include_bytes!("../assets/inter.atlas")).expect("the embedded font is whole: a test reads it")
});

/// What few texts hold: further letters in each size, and last Chinese characters in one.
static MORE: LazyLock<Vec<Face>> = LazyLock::new(|| {
    let mut bytes = Vec::new();
    let unpacked = ZlibDecoder::new(&include_bytes!("../assets/more.atlas")[..]).read_to_end(&mut bytes);
    unpacked.ok().and_then(|_| read(&bytes)).expect("the embedded font is whole: a test reads it")
});

/// Size of the Chinese characters, px.
const HAN_SIZE: f32 = 20.0;

impl Size {
    /// Size of the letters, px.
    fn pixels(self) -> f32 {
        match self {
            Self::Small => 14.0,
            Self::Medium | Self::Plot => 20.0,
            Self::Large => 34.0,
            Self::Heading => 25.0,
        }
    }
}

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
        let mut glyphs = HashMap::new();
        for _ in 0..u16::from_le_bytes([low, high]) {
            let [a, b, c, d, low, high, left, top, width, height] = *take(10)? else { return None };
            let (width, height) = (usize::from(width), usize::from(height));
            let packed = take((width * height).div_ceil(2))?;
            let glyph = Glyph {
                advance: f32::from(u16::from_le_bytes([low, high])) / 64.0,
                left: i32::from(left as i8),
                top: i32::from(top as i8),
                width,
                height,
                levels: packed.iter().flat_map(|byte| [byte & 15, byte >> 4]).collect(),
            };
            glyphs.insert(char::from_u32(u32::from_le_bytes([a, b, c, d]))?, glyph);
        }
        faces.push(Face { ascent: f32::from(ascent), line_height: f32::from(line_height), glyphs });
    }
    Some(faces)
}

fn face(size: Size) -> &'static Face {
    &FACES[size as usize]
}

/// A character's bitmap, if one of the fonts has it.
fn find(character: char, size: Size) -> Option<Cow<'static, Glyph>> {
    if let Some(glyph) = face(size).glyphs.get(&character) {
        return Some(Cow::Borrowed(glyph));
    }
    let [sizes @ .., han] = MORE.as_slice() else { return None };
    if let Some(glyph) = sizes[size as usize].glyphs.get(&character) {
        return Some(Cow::Borrowed(glyph));
    }
    let glyph = han.glyphs.get(&character)?.scaled(size.pixels() / HAN_SIZE, han.ascent, face(size).ascent);
    Some(Cow::Owned(glyph))
}

/// A character's bitmap; an empty box for what the fonts lack.
fn glyph(character: char, size: Size) -> Cow<'static, Glyph> {
    find(character, size).unwrap_or_else(|| Cow::Owned(Glyph::missing(size)))
}

/// The first character of a text that no font here has: it is drawn as an empty box.
///
/// # Examples
///
/// ```
/// assert_eq!(eyas_view::missing_glyph("Å č 奖励"), None);
/// assert_eq!(eyas_view::missing_glyph("run \u{1f680}"), Some('\u{1f680}'));
/// ```
pub fn missing_glyph(text: &str) -> Option<char> {
    text.chars().find(|character| find(*character, Size::Plot).is_none())
}

impl Glyph {
    fn missing(size: Size) -> Self {
        let pixels = size.pixels();
        let (width, height) = ((0.55 * pixels) as usize, (0.73 * pixels) as usize);
        let is_edge = |place: usize| {
            let (row, column) = (place / width, place % width);
            row == 0 || row == height - 1 || column == 0 || column == width - 1
        };
        Self {
            advance: width as f32 + 4.0,
            left: 2,
            top: face(size).ascent as i32 - height as i32,
            width,
            height,
            levels: (0..width * height).map(|place| if is_edge(place) { 15 } else { 0 }).collect(),
        }
    }

    /// The glyph of a face in another size, on the base line of a face of that size.
    fn scaled(&self, by: f32, ascent: f32, ascent_there: f32) -> Self {
        let end = |place: i32, length: usize| ((place as f32 + length as f32) * by).ceil();
        let (left, top) = ((self.left as f32 * by).floor(), ((self.top as f32 - ascent) * by).floor());
        let width = (end(self.left, self.width) - left) as usize;
        let height = ((self.top as f32 - ascent + self.height as f32) * by).ceil() - top;
        let mut levels = Vec::with_capacity(width * height as usize);
        for row in 0..height as usize {
            for column in 0..width {
                let from = |at: f32, place: i32, shift: f32| {
                    (at / by + shift - place as f32, (at + 1.0) / by + shift - place as f32)
                };
                let across = from(left + column as f32, self.left, 0.0);
                let down = from(top + row as f32, self.top, ascent);
                levels.push((self.mean(across, down) + 0.5) as u8);
            }
        }
        Self {
            advance: self.advance * by,
            left: left as i32,
            top: (top + ascent_there) as i32,
            width,
            height: height as usize,
            levels,
        }
    }

    /// Mean opacity between two columns and two rows, each with its share.
    fn mean(&self, (left, right): (f32, f32), (top, bottom): (f32, f32)) -> f32 {
        let share =
            |place: usize, from: f32, to: f32| (to.min(place as f32 + 1.0) - from.max(place as f32)).max(0.0);
        let mut sum = 0.0;
        for row in top.max(0.0) as usize..(bottom.max(0.0).ceil() as usize).min(self.height) {
            for column in left.max(0.0) as usize..(right.max(0.0).ceil() as usize).min(self.width) {
                let level = f32::from(self.levels[row * self.width + column]);
                sum += level * share(row, top, bottom) * share(column, left, right);
            }
        }
        sum / ((right - left) * (bottom - top))
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
    text.chars().map(|character| glyph(character, size).advance).sum()
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
        let glyph = glyph(character, size);
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
        assert!("±°²³µμ≤≥−×⁰⁻αβγωΔ".chars().all(|sign| face(Size::Plot).glyphs.contains_key(&sign)));
    }

    #[test]
    fn names_of_many_languages_can_be_written() {
        assert_eq!(MORE.len(), 6);
        for text in ["Ångström, čeština, Łódź, Düsseldorf", "Ελλάδα", "полёт", "四旋翼：奖励（教师）"]
        {
            for size in [Size::Small, Size::Medium, Size::Large, Size::Plot, Size::Heading] {
                assert!(text.chars().all(|it| find(it, size).is_some()), "{text}");
            }
            assert_eq!(missing_glyph(text), None);
        }
        assert_eq!(missing_glyph("fine 🚀"), Some('🚀'));
        assert_ne!(glyph('🚀', Size::Plot), glyph('?', Size::Plot));
    }

    #[test]
    fn a_character_in_another_size_is_as_dark() {
        let darkness = |size: Size| {
            let glyph = glyph('飞', size);
            glyph.levels.iter().map(|level| f32::from(*level)).sum::<f32>() / size.pixels().powi(2)
        };
        let own = darkness(Size::Plot);
        for size in [Size::Small, Size::Large, Size::Heading] {
            assert!((darkness(size) - own).abs() < 0.06 * own, "{} {own}", darkness(size));
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
