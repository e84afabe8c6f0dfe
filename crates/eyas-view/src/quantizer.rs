//! A few colours that stand for many.

use crate::frame::Frame;

/// Bits of each channel that colours are told apart by.
const BITS: u32 = 6;
/// Levels of a channel.
const LEVELS: usize = 1 << BITS;

/// Counts colours and picks those that stand for them.
#[derive(Debug)]
pub(crate) struct Quantizer {
    /// Pixels of each colour of [`cell`].
    counts: Vec<u32>,
}

impl Default for Quantizer {
    fn default() -> Self {
        Self { counts: vec![0; LEVELS * LEVELS * LEVELS] }
    }
}

/// The number of a pixel's colour.
fn cell(pixel: u32) -> usize {
    let [_, r, g, b] = pixel.to_be_bytes().map(|channel| usize::from(channel >> (8 - BITS)));
    (r * LEVELS + g) * LEVELS + b
}

/// Red, green and blue of a number of [`cell`], as levels.
fn levels(cell: usize) -> [usize; 3] {
    [cell / (LEVELS * LEVELS), cell / LEVELS % LEVELS, cell % LEVELS]
}

/// A level as a byte: 0 is 0 and the last is 255.
fn byte(level: f64) -> u8 {
    (level * 255.0 / (LEVELS - 1) as f64).round() as u8
}

/// Colours that one entry of the palette stands for.
struct Bin {
    cells: Vec<usize>,
    count: f64,
    mean: [f64; 3],
    /// Sum of squared distances to the mean, of each channel.
    spread: [f64; 3],
}

impl Bin {
    fn new(cells: Vec<usize>, counts: &[u32]) -> Self {
        let (mut count, mut sum, mut squares) = (0.0, [0.0; 3], [0.0; 3]);
        for cell in &cells {
            // A rare colour, as that of a small number, still matters.
            let weight = f64::from(counts[*cell]).sqrt();
            count += weight;
            for (channel, level) in levels(*cell).into_iter().enumerate() {
                sum[channel] += weight * level as f64;
                squares[channel] += weight * (level * level) as f64;
            }
        }
        let mean = sum.map(|it| it / count);
        let spread = [0, 1, 2].map(|it| squares[it] - sum[it] * mean[it]);
        Self { cells, count, mean, spread }
    }

    /// The channel along which the colours differ most, and by how much.
    fn widest(&self) -> (usize, f64) {
        let wider = |best: (usize, f64), (channel, spread): (usize, f64)| {
            if spread > best.1 { (channel, spread) } else { best }
        };
        self.spread.iter().copied().enumerate().fold((0, 0.0), wider)
    }
}

impl Quantizer {
    /// Counts the colours of a frame.
    pub(crate) fn count(&mut self, frame: &Frame) {
        for pixel in &frame.pixels {
            let count = &mut self.counts[cell(*pixel)];
            *count = count.saturating_add(1);
        }
    }

    /// At most so many colours: the bin whose colours differ most is halved at their mean until there are enough.
    pub(crate) fn palette(&self, most: usize) -> Palette {
        let seen = (0..self.counts.len()).filter(|cell| self.counts[*cell] > 0).collect();
        let mut bins = vec![Bin::new(seen, &self.counts)];
        while bins.len() < most {
            let widths = bins.iter().map(|bin| bin.widest().1).enumerate();
            let (place, width) = widths.fold((0, 0.0), |best, it| if it.1 > best.1 { it } else { best });
            if width <= 0.0 {
                break;
            }
            let bin = bins.swap_remove(place);
            let channel = bin.widest().0;
            let (low, high) =
                bin.cells.iter().partition(|cell| (levels(**cell)[channel] as f64) <= bin.mean[channel]);
            bins.extend([low, high].map(|cells| Bin::new(cells, &self.counts)));
        }
        bins.retain(|bin| bin.count > 0.0);
        Palette::new(bins.iter().map(|bin| bin.mean.map(byte)).collect())
    }
}

/// Colours, and which of them is nearest to each other one.
pub(crate) struct Palette {
    colors: Vec<[u8; 3]>,
    /// Index of the nearest colour to each of [`cell`].
    nearest: Vec<u8>,
}

impl Palette {
    /// Up to 256 colours.
    fn new(colors: Vec<[u8; 3]>) -> Self {
        let nearest = |cell: usize| {
            let wanted = levels(cell).map(|level| i32::from(byte(level as f64)));
            let distance = |color: &[u8; 3]| -> i32 {
                (0..3).map(|channel| (wanted[channel] - i32::from(color[channel])).pow(2)).sum()
            };
            let index = (0..colors.len()).min_by_key(|index| distance(&colors[*index]));
            index.unwrap_or_default() as u8
        };
        Self { nearest: (0..LEVELS * LEVELS * LEVELS).map(nearest).collect(), colors }
    }

    /// Red, green and blue of each.
    pub(crate) fn colors(&self) -> &[[u8; 3]] {
        &self.colors
    }

    /// The nearest colour to each pixel.
    pub(crate) fn indices(&self, frame: &Frame) -> Vec<u8> {
        frame.pixels.iter().map(|pixel| self.nearest[cell(*pixel)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_that_fit_are_kept_and_more_become_their_means() {
        let frame = Frame { width: 4, height: 1, pixels: vec![0x00ff_ffff, 0, 0x00ff_0000, 0x0000_00ff] };
        let mut quantizer = Quantizer::default();
        quantizer.count(&frame);
        let palette = quantizer.palette(255);
        let found: Vec<[u8; 3]> =
            palette.indices(&frame).iter().map(|index| palette.colors()[usize::from(*index)]).collect();
        assert_eq!(found, [[255; 3], [0; 3], [255, 0, 0], [0, 0, 255]]);
        assert_eq!(quantizer.palette(2).colors().len(), 2);
    }
}
