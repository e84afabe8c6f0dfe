//! The colours of numbers.

use crate::frame::{Color, color, palette};

/// Every eighth colour of viridis (van der Walt and Smith, 2015, bids.github.io/colormap, CC0), which grows evenly
/// brighter for all eyes and in grey; between them, linear is within 2 of 255 of the whole table.
const VIRIDIS: [Color; 33] = [
    color(0x0044_0154),
    color(0x0047_0d60),
    color(0x0048_186a),
    color(0x0048_2374),
    color(0x0047_2d7b),
    color(0x0045_3781),
    color(0x0042_4086),
    color(0x003e_4989),
    color(0x003b_528b),
    color(0x0037_5b8d),
    color(0x0033_638d),
    color(0x002f_6b8e),
    color(0x002c_728e),
    color(0x0029_7a8e),
    color(0x0026_828e),
    color(0x0023_898e),
    color(0x0021_918c),
    color(0x001f_978b),
    color(0x001f_9f88),
    color(0x0021_a685),
    color(0x0027_ad81),
    color(0x0031_b57b),
    color(0x003d_bc74),
    color(0x004c_c26c),
    color(0x005c_c863),
    color(0x006e_ce58),
    color(0x0081_d34d),
    color(0x0095_d840),
    color(0x00aa_dc32),
    color(0x00c0_df25),
    color(0x00d5_e21a),
    color(0x00ea_e51a),
    color(0x00fd_e725),
];

/// The colour of a share in `[0, 1]`; shares beyond have that of the nearer end.
pub(crate) fn viridis(share: f64) -> Color {
    let last = VIRIDIS.len() - 1;
    let place = share.clamp(0.0, 1.0) as f32 * last as f32;
    let below = (place as usize).min(last - 1);
    let part = place - below as f32;
    [0, 1, 2].map(|i| VIRIDIS[below][i] + part * (VIRIDIS[below + 1][i] - VIRIDIS[below][i]))
}

/// The colour of a number in `[-1, 1]`: blue over white to vermilion, which stay apart for colour-blind eyes; numbers
/// beyond have that of the nearer end.
pub(crate) fn diverging(value: f32) -> Color {
    let (value, end) = match value.clamp(-1.0, 1.0) {
        below if below < 0.0 => (-below, palette::REFERENCE),
        above => (above, palette::FLOWN),
    };
    [0, 1, 2].map(|i| palette::PAPER[i] + value * (end[i] - palette::PAPER[i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::pack;

    #[test]
    fn the_ends_are_violet_and_yellow() {
        assert_eq!(
            [-1.0, 0.5, 2.0].map(|share| pack(viridis(share))),
            [0x0044_0154, 0x0021_918c, 0x00fd_e725]
        );
    }

    #[test]
    fn zero_is_white_between_two_hues() {
        assert_eq!(
            [-2.0, 0.0, 1.0].map(|value| pack(diverging(value))),
            [0x0000_72b2, 0x00ff_ffff, 0x00d5_5e00]
        );
    }

    #[test]
    fn brightness_grows() {
        let brightness = |share: f64| {
            let [r, g, b] = viridis(share);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        assert!((0..100).all(|i| brightness(0.01 * f64::from(i)) < brightness(0.01 * f64::from(i + 1))));
    }
}
