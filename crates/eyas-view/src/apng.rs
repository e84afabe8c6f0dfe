//! Frames as an animated PNG, for pages that show pictures but no videos.

use png::{BitDepth, BlendOp, ColorType, Compression, Encoder, Filter};

use crate::frame::Frame;
use crate::quantizer::Quantizer;
use crate::video::VideoError;

/// The entry of the palette that leaves a pixel as it was: the last of 256.
const UNCHANGED: u8 = 255;
/// Every so many frames one is asked for its colours.
const SAMPLING: usize = 8;

/// An endless loop of `count` frames of one size, each shown for `period_us` µs.
///
/// After a frame that `goes_on` answers with false the picture stands still.
///
/// All frames share 255 colours, and only pixels that change are stored: what stands still costs nothing.
///
/// # Errors
///
/// [`VideoError::Empty`] without frames, [`VideoError::TooLong`] for more than the format numbers.
pub(crate) fn encode(
    (width, height): (usize, usize),
    period_us: u32,
    count: usize,
    mut paint: impl FnMut(usize, &mut Frame),
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<u8>, VideoError> {
    if count == 0 || width == 0 || height == 0 {
        return Err(VideoError::Empty);
    }
    let num_frames = u32::try_from(count).map_err(|_| VideoError::TooLong { frames: count })?;
    let mut frame = Frame::new(width, height);
    let mut quantizer = Quantizer::default();
    for index in (0..count).step_by(SAMPLING) {
        paint(index, &mut frame);
        quantizer.count(&frame);
    }
    let palette = quantizer.palette(usize::from(UNCHANGED));

    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::High);
    encoder.set_filter(Filter::NoFilter);
    let mut entries = palette.colors().to_vec();
    entries.resize(usize::from(UNCHANGED) + 1, [0; 3]);
    encoder.set_palette(entries.concat());
    let mut opacities = vec![255; usize::from(UNCHANGED)];
    opacities.push(0);
    encoder.set_trns(opacities);
    let milliseconds = (period_us / 1000).clamp(1, u32::from(u16::MAX)) as u16;
    let written = (|| {
        encoder.set_animated(num_frames, 0)?;
        encoder.set_frame_delay(milliseconds, 1000)?;
        let mut writer = encoder.write_header()?;
        let mut shown = vec![UNCHANGED; width * height];
        let mut moves = true;
        for index in 0..count {
            if moves {
                paint(index, &mut frame);
                moves = goes_on(index + 1);
            }
            writer.write_image_data(&changes(&palette.indices(&frame), &mut shown))?;
            if index + 1 < count {
                writer.set_blend_op(BlendOp::Over)?;
            }
        }
        writer.finish()
    })();
    written.map_err(|error| VideoError::Encoder { frame: 0, reason: error.to_string() })?;
    Ok(file)
}

/// The pixels that differ from those shown, which become the new ones.
fn changes(pixels: &[u8], shown: &mut [u8]) -> Vec<u8> {
    let change = |(new, old): (&u8, &mut u8)| {
        if *new == *old {
            UNCHANGED
        } else {
            *old = *new;
            *new
        }
    };
    pixels.iter().zip(shown).map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_stored() {
        let mut shown = [UNCHANGED; 3];
        assert_eq!(changes(&[1, 2, 3], &mut shown), [1, 2, 3]);
        assert_eq!(changes(&[1, 7, 3], &mut shown), [UNCHANGED, 7, UNCHANGED]);
        assert_eq!(shown, [1, 7, 3]);
    }
}
