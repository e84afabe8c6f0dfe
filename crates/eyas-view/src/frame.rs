//! Images and their colours.

/// Red, green and blue as shown, each in `[0, 255]`.
pub(crate) type Color = [f32; 3];

/// A colour of a hexadecimal code.
pub(crate) const fn color(code: u32) -> Color {
    [(code >> 16 & 255) as f32, (code >> 8 & 255) as f32, (code & 255) as f32]
}

/// Colours that stay apart for colour-blind eyes (Okabe and Ito, 2008) and neutrals.
pub(crate) mod palette {
    use super::{Color, color};

    pub(crate) const FLOWN: Color = color(0x00d5_5e00);
    pub(crate) const REFERENCE: Color = color(0x0000_72b2);
    pub(crate) const ACCENT: Color = color(0x00e6_9f00);
    pub(crate) const INK: Color = color(0x001b_2530);
    pub(crate) const FAINT_INK: Color = color(0x0055_6472);
    pub(crate) const PAPER: Color = color(0x00ff_ffff);
    pub(crate) const RULE: Color = color(0x00c3_ccd4);
}

/// An image of 8-bit red, green and blue, rows from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Width, px.
    pub width: usize,
    /// Height, px.
    pub height: usize,
    /// `0x00RRGGBB` for each pixel.
    pub(crate) pixels: Vec<u32>,
}

/// A pixel of a colour whose channels are in `[0, 255]`.
#[inline(always)]
pub(crate) fn pack(color: Color) -> u32 {
    // Adding 2²³ rounds to a whole number and leaves it in the lowest bits: a cast would check its range.
    let [r, g, b] = color.map(|value| (value + 8_388_608.0).to_bits() & 255);
    r << 16 | g << 8 | b
}

#[inline(always)]
pub(crate) fn unpack(pixel: u32) -> Color {
    color(pixel)
}

/// `share` in `[0, 1]` of a colour over a pixel.
#[inline(always)]
pub(crate) fn blend(under: u32, over: Color, share: f32) -> u32 {
    let below = unpack(under);
    pack([0, 1, 2].map(|i| below[i] + share * (over[i] - below[i])))
}

impl Frame {
    /// A white frame.
    pub(crate) fn paper(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![pack(palette::PAPER); width * height] }
    }

    /// A black frame.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0; width * height] }
    }

    /// Red, green, blue of each pixel, rows from the top.
    pub fn rgb(&self) -> Vec<u8> {
        self.pixels
            .iter()
            .flat_map(|pixel| {
                let [_, r, g, b] = pixel.to_be_bytes();
                [r, g, b]
            })
            .collect()
    }

    /// The frame as a PNG file.
    ///
    /// # Panics
    ///
    /// If the frame has no pixel.
    pub fn png(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        encoder.set_filter(png::Filter::NoFilter);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.rgb()));
        written.expect("memory takes every byte of a frame that has pixels");
        file
    }

    /// Fills a rectangle; its edges may lie between pixels, px.
    pub(crate) fn fill(&mut self, place: [f32; 4], over: Color, share: f32) {
        self.rounded(place, 0.0, over, share);
    }

    /// Copies a smaller frame to a place; it has to fit.
    pub(crate) fn paste(&mut self, from: &Self, x: usize, y: usize) {
        for (row, source) in from.pixels.chunks_exact(from.width).enumerate() {
            let start = (y + row) * self.width + x;
            self.pixels[start..start + from.width].copy_from_slice(source);
        }
    }

    /// Blends a colour over a pixel; outside of the frame nothing happens.
    pub(crate) fn blend(&mut self, x: i32, y: i32, over: Color, share: f32) {
        if (0..self.width as i32).contains(&x) && (0..self.height as i32).contains(&y) {
            let pixel = &mut self.pixels[y as usize * self.width + x as usize];
            *pixel = blend(*pixel, over, share);
        }
    }

    /// Pixels of a rectangle, px, that are darker or more colourful than a light grid on paper.
    pub(crate) fn ink(&self, [x, y, width, height]: [f32; 4]) -> usize {
        let range = |start: f32, length: f32, limit: usize| {
            (start.max(0.0) as usize).min(limit)..((start + length).max(0.0) as usize).min(limit)
        };
        let columns = range(x, width, self.width);
        let is_ink = |pixel: &&u32| {
            let [r, g, b] = unpack(**pixel);
            let (low, high) = (r.min(g).min(b), r.max(g).max(b));
            high < 200.0 || high - low > 24.0
        };
        range(y, height, self.height)
            .map(|row| self.pixels[row * self.width..][columns.clone()].iter().filter(is_ink).count())
            .sum()
    }

    /// Blends a colour over a rectangle with rounded corners, px; its edges may lie between pixels.
    pub(crate) fn rounded(&mut self, [x, y, width, height]: [f32; 4], radius: f32, over: Color, share: f32) {
        let (half, center) = ([0.5 * width, 0.5 * height], [x + 0.5 * width, y + 0.5 * height]);
        let radius = radius.min(half[0]).min(half[1]);
        let range = |start: f32, length: f32, limit: usize| {
            start.floor().max(0.0) as usize..((start + length).ceil().max(0.0) as usize).min(limit)
        };
        let (columns, rows) = (range(x, width, self.width), range(y, height, self.height));
        if columns.is_empty() {
            return;
        }
        for row in rows {
            let start = row * self.width;
            let pixels = &mut self.pixels[start + columns.start..start + columns.end];
            let out = |at: usize, axis: usize| (at as f32 + 0.5 - center[axis]).abs() - half[axis] + radius;
            let down = out(row, 1);
            for (column, pixel) in columns.clone().zip(pixels) {
                let across = out(column, 0);
                // Outside of the corners the distance to the edge is along one axis.
                let distance = if across.min(down) <= 0.0 {
                    across.max(down) - radius
                } else {
                    (across * across + down * down).sqrt() - radius
                };
                let coverage = (0.5 - distance).clamp(0.0, 1.0);
                *pixel = blend(*pixel, over, share * coverage);
            }
        }
    }
}
