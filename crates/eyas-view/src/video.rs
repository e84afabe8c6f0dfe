//! Frames as an H.264 video in an MP4 file, written without any codec of the system.

use eyas_lanes::{Kernel, Lanes, dispatch};
use rayon::prelude::*;
use rusty_h264_common::YuvPlanes;
use rusty_h264_encoder::{Encoder, EncoderConfig};

use crate::frame::Frame;
use crate::mp4::{Sample, Track};

/// Frames from one that decoding can start at to the next. Each such group is drawn and encoded on its own, on any
/// core, so its length is a constant of the format and not of the machine.
const GROUP: usize = 25;
/// Quantiser of all frames, 0 to 51: 26 shows no blocks on level ground at 720 rows.
const QUANTIZER: u8 = 26;
/// Level 4.2: up to 1080 rows at 60 frames/s.
const LEVEL: u8 = 42;

/// A video cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum VideoError {
    #[error("a video of {width} x {height} pixels: both have to be even and from 16 to 4096")]
    Size { width: usize, height: usize },
    #[error("a video of no frames")]
    Empty,
    #[error("a video of {frames} frames does not fit into an MP4 file of 32-bit places")]
    TooLong { frames: usize },
    #[error("the encoder refused frame {frame}: {reason}")]
    Encoder { frame: usize, reason: String },
}

/// Encodes `count` frames of one size, drawn by painters that `painter` makes, each shown for `period_us` µs.
///
/// A painter gets the index of a frame and a frame to paint over; it draws the frames of one group in order, so it
/// may keep what they share. The bytes depend on neither the machine nor the number of threads.
///
/// # Errors
///
/// [`VideoError::Size`] and [`VideoError::Empty`] for what no player shows, [`VideoError::TooLong`] above 71 minutes.
pub fn encode<P: FnMut(usize, &mut Frame)>(
    size: (usize, usize),
    period_us: u32,
    count: usize,
    painter: impl Fn() -> P + Sync,
) -> Result<Vec<u8>, VideoError> {
    encode_while(size, (period_us, count), painter, &mut |_| true)
}

/// [`encode`] that is told how many frames are done from time to time and ends after them where the answer is false, with a
/// file that plays as far as it goes.
///
/// # Errors
///
/// As of [`encode`].
pub(crate) fn encode_while<P: FnMut(usize, &mut Frame)>(
    (width, height): (usize, usize),
    (period_us, count): (u32, usize),
    painter: impl Fn() -> P + Sync,
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<u8>, VideoError> {
    let is_good = |size: usize| size.is_multiple_of(2) && (16..=4096).contains(&size);
    if !is_good(width) || !is_good(height) {
        return Err(VideoError::Size { width, height });
    }
    if count == 0 {
        return Err(VideoError::Empty);
    }
    let frames_of = |group: usize| group * GROUP..((group + 1) * GROUP).min(count);
    let all = count.div_ceil(GROUP);
    let mut groups: Vec<Group> = Vec::with_capacity(all);
    // As many at once as there are cores for.
    while groups.len() < all {
        let batch = groups.len()..all.min(groups.len() + rayon::current_num_threads());
        let encoded =
            batch.into_par_iter().map(|it| Group::encode((width, height), frames_of(it), painter()));
        groups.extend(encoded.collect::<Result<Vec<_>, _>>()?);
        if !goes_on(frames_of(groups.len() - 1).end) {
            break;
        }
    }
    let mut track = Track {
        width: width as u16,
        height: height as u16,
        timescale: 1_000_000,
        frame_ticks: period_us,
        sequence_parameters: Vec::new(),
        picture_parameters: Vec::new(),
        samples: Vec::with_capacity(count),
    };
    for group in groups {
        track.sequence_parameters = group.sequence_parameters;
        track.picture_parameters = group.picture_parameters;
        track.samples.extend(group.samples);
    }
    // Places and durations in the file are 32-bit numbers.
    let bytes: u64 = track.samples.iter().map(|sample| sample.data.len() as u64).sum();
    if bytes > 0xf000_0000 || u64::from(period_us) * count as u64 > u64::from(u32::MAX) {
        return Err(VideoError::TooLong { frames: count });
    }
    Ok(track.file())
}

/// Frames that are decoded together.
#[derive(Default)]
struct Group {
    samples: Vec<Sample>,
    sequence_parameters: Vec<u8>,
    picture_parameters: Vec<u8>,
}

impl Group {
    fn encode(
        (width, height): (usize, usize),
        frames: std::ops::Range<usize>,
        mut paint: impl FnMut(usize, &mut Frame),
    ) -> Result<Self, VideoError> {
        let mut config = EncoderConfig::baseline(width, height);
        config.level_idc = LEVEL;
        config.qp = QUANTIZER;
        config.gop_size = GROUP as u32;
        config.min_keyint = GROUP as u32;
        let refused = |frame: usize| {
            move |error: rusty_h264_encoder::EncodeError| VideoError::Encoder {
                frame,
                reason: format!("{error:?}"),
            }
        };
        let mut encoder = Encoder::new(config).map_err(refused(frames.start))?;
        let mut group = Self::default();
        let mut frame = Frame::new(width, height);
        let mut planes = Planes::new(width, height);
        for index in frames {
            paint(index, &mut frame);
            planes.convert(&frame);
            let stream = encoder.encode_planes(&planes.view()).map_err(refused(index))?;
            group.push(&stream);
        }
        Ok(group)
    }

    /// Adds the NAL units of one picture.
    fn push(&mut self, stream: &[u8]) {
        let mut sample = Sample { data: Vec::with_capacity(stream.len()), is_key: false };
        for unit in nal_units(stream) {
            match unit[0] & 31 {
                7 => self.sequence_parameters = unit.to_vec(),
                8 => self.picture_parameters = unit.to_vec(),
                // Delimiters and messages are for streams.
                6 | 9 => {}
                kind => {
                    sample.is_key |= kind == 5;
                    sample.data.extend((unit.len() as u32).to_be_bytes());
                    sample.data.extend(unit);
                }
            }
        }
        self.samples.push(sample);
    }
}

/// The units between the start codes `00 00 01` of a byte stream (ITU-T H.264, Annex B).
fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts: Vec<usize> =
        stream.windows(3).enumerate().filter(|(_, it)| *it == [0, 0, 1]).map(|(at, _)| at).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([stream.len()]).collect();
    starts.into_iter().zip(ends).filter_map(move |(start, end)| {
        let unit = &stream[start + 3..end];
        // A unit ends in a one bit: zeros after it belong to the next start code.
        let length = unit.iter().rposition(|byte| *byte != 0)? + 1;
        Some(&unit[..length])
    })
}

/// Brightness and colour differences of a frame, ITU-R BT.709, limited range, one colour for 2 × 2 pixels.
struct Planes {
    width: usize,
    height: usize,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Planes {
    fn new(width: usize, height: usize) -> Self {
        let quarter = width * height / 4;
        Self { width, height, y: vec![0; width * height], u: vec![0; quarter], v: vec![0; quarter] }
    }

    fn convert(&mut self, frame: &Frame) {
        dispatch(Convert { planes: self, frame });
    }

    #[inline(always)]
    fn convert_all(&mut self, frame: &Frame) {
        let channels = |pixel: u32| [pixel >> 16 & 255, pixel >> 8 & 255, pixel & 255].map(|it| it as i32);
        // Coefficients in 1/65536: 219/255 · (0.2126, 0.7152, 0.0722).
        for (luma, pixel) in self.y.iter_mut().zip(&frame.pixels) {
            let [r, g, b] = channels(*pixel);
            *luma = ((11_966 * r + 40_254 * g + 4_064 * b + (16 << 16) + 32_768) >> 16) as u8;
        }
        let half = self.width / 2;
        for (row, pair) in frame.pixels.chunks_exact(2 * self.width).enumerate() {
            let (above, below) = pair.split_at(self.width);
            let place = row * half..(row + 1) * half;
            let (u, v) = (&mut self.u[place.clone()], &mut self.v[place]);
            for (column, (above, below)) in above.chunks_exact(2).zip(below.chunks_exact(2)).enumerate() {
                let mut sum = [0; 3];
                for pixel in [above[0], above[1], below[0], below[1]] {
                    let own = channels(pixel);
                    sum = [sum[0] + own[0], sum[1] + own[1], sum[2] + own[2]];
                }
                let [r, g, b] = sum;
                // 224/255 of the colour differences, in 1/65536, over four pixels.
                u[column] = ((-6_596 * r - 22_189 * g + 28_784 * b + (512 << 16) + 131_072) >> 18) as u8;
                v[column] = ((28_784 * r - 26_145 * g - 2_639 * b + (512 << 16) + 131_072) >> 18) as u8;
            }
        }
    }

    fn view(&self) -> YuvPlanes<'_> {
        let half = self.width / 2;
        YuvPlanes::new(self.width, self.height, &self.y, &self.u, &self.v, self.width, half)
            .expect("the planes are as large as their size says")
    }
}

/// [`Planes::convert`] compiled for the machine's instruction set.
struct Convert<'a> {
    planes: &'a mut Planes,
    frame: &'a Frame,
}

impl Kernel for Convert<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        self.planes.convert_all(self.frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_black_and_primaries_have_the_codes_of_the_standard() {
        // ITU-R BT.709-6, 8 bits: white (235, 128, 128), black (16, 128, 128), red (63, 102, 240).
        for (pixel, expected) in
            [(0x00ff_ffff, [235, 128, 128]), (0, [16, 128, 128]), (0x00ff_0000, [63, 102, 240])]
        {
            let mut planes = Planes::new(2, 2);
            planes.convert(&Frame { width: 2, height: 2, pixels: vec![pixel; 4] });
            assert_eq!([planes.y[0], planes.u[0], planes.v[0]], expected, "{pixel:06x}");
        }
    }

    #[test]
    fn units_are_found_between_start_codes() {
        let stream = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x65, 3, 0, 0, 0, 1, 0x41];
        let found: Vec<&[u8]> = nal_units(&stream).collect();
        assert_eq!(found, [&[0x67, 1, 2][..], &[0x65, 3], &[0x41]]);
    }
}
