//! Counter-based random numbers: a draw is a pure function of where it is used.

use std::collections::HashMap;

use crate::{LANES, Lanes, Real};

/// A named stream of draws, keyed by the run's seed.
///
/// Each draw is Philox4x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405) of the key and of a
/// counter made of four indices: env, episode, step and the number of the draw within the step. No state
/// is shared or advanced, so results depend neither on the order of evaluation nor on other streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    keys: Keys,
}

/// The two words that each round adds: wide, so that a vector unit fetches them as it needs them.
pub(crate) type Keys = [[u64; 2]; ROUNDS];

/// The numbers of Philox4x32-10, for whoever writes it down in another language.
pub mod philox {
    /// Rounds.
    pub const ROUNDS: usize = 10;
    /// What a round multiplies the first and the third word by.
    pub const FACTORS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
    /// What the two words of a key grow by from round to round.
    pub const KEY_STEPS: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
}

pub(crate) use philox::FACTORS;
use philox::{KEY_STEPS, ROUNDS};

/// Four words for each lane.
pub type Words = [[u32; LANES]; 4];

impl Stream {
    /// The stream called `purpose` of a run with this seed.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a of the name, then SplitMix64 so that near seeds give unrelated keys.
        let name = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut key = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ name;
        key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        key ^= key >> 31;
        Self { keys: round_keys([key as u32, (key >> 32) as u32]) }
    }

    /// The two words that Philox is keyed by, for whoever draws elsewhere.
    #[must_use]
    pub fn key(&self) -> [u32; 2] {
        self.keys[0].map(|word| word as u32)
    }

    /// Four random words at a place.
    #[must_use]
    pub fn words(&self, place: [u32; 4]) -> [u32; 4] {
        let mut counter = place.map(|index| [index]);
        philox::<1, 1>(&mut counter, &self.keys);
        counter.map(|word| word[0])
    }

    /// Uniform in `[0, 1)` at a place.
    #[must_use]
    pub fn uniform(&self, place: [u32; 4]) -> f32 {
        f32::uniform(self.words(place)[0])
    }

    /// Four independent standard normal numbers at a place.
    #[must_use]
    pub fn normals(&self, place: [u32; 4]) -> [f32; 4] {
        f32::normals(self.words(place))
    }

    /// Draws of one env at a step of an episode.
    #[must_use]
    pub fn at(&self, env: u32, episode: u32, step: u32) -> EnvDraws<'_> {
        EnvDraws { stream: self, env, episode, step }
    }

    /// Draws of sixteen envs `first_env ..`, each at its own step of its own episode.
    #[inline(always)]
    #[must_use]
    pub fn at_lanes<'a>(
        &'a self,
        first_env: u32,
        episode: &'a [u32; LANES],
        step: &'a [u32; LANES],
    ) -> LaneDraws<'a> {
        LaneDraws { stream: self, first_env, episode, step }
    }

    /// Random words for sixteen envs `first_env ..` at once.
    #[inline(always)]
    #[must_use]
    pub fn lanes(&self, first_env: u32, episode: &[u32; LANES], step: &[u32; LANES], draw: u32) -> Words {
        self.draws::<8>(first_env, episode, step, draw)
    }

    /// [`Real::normals`] of the words that [`lanes`](Self::lanes) gives.
    #[inline(always)]
    #[must_use]
    pub fn normal_lanes<L: Lanes>(
        &self,
        first_env: u32,
        episode: &[u32; LANES],
        step: &[u32; LANES],
        draw: u32,
    ) -> [L; 4] {
        if L::REGISTERS >= 32 {
            L::normals(self.draws::<16>(first_env, episode, step, draw))
        } else {
            L::normals(self.draws::<8>(first_env, episode, step, draw))
        }
    }

    /// Lanes go through their rounds `GROUP` at a time: as many as fit into the registers with their products.
    #[inline(always)]
    fn draws<const GROUP: usize>(
        &self,
        first_env: u32,
        episode: &[u32; LANES],
        step: &[u32; LANES],
        draw: u32,
    ) -> Words {
        let mut counter = [[0; LANES], *episode, *step, [draw; LANES]];
        for (lane, env) in counter[0].iter_mut().enumerate() {
            *env = first_env + lane as u32;
        }
        #[cfg(target_arch = "aarch64")]
        crate::lanes::philox(&mut counter, &self.keys);
        #[cfg(not(target_arch = "aarch64"))]
        philox::<LANES, GROUP>(&mut counter, &self.keys);
        counter
    }

    /// The first `count` places of a random permutation of `0..length`: Fisher–Yates with draws at
    /// `(place, a, b, 0)`.
    ///
    /// Takes time and memory in proportion to `count`, not to `length`: only entries that were swapped away
    /// are kept.
    ///
    /// # Panics
    ///
    /// If `count` is larger than `length`.
    #[must_use]
    pub fn permutation(&self, length: usize, count: usize, a: u32, b: u32) -> Vec<u32> {
        assert!(count <= length, "{count} of {length} places");
        let mut moved: HashMap<u32, u32> = HashMap::with_capacity(count);
        (0..count)
            .map(|place| {
                let words = self.words([place as u32, a, b, 0]);
                // A 64-bit word times the range: bias below 2⁻³².
                let word = u64::from(words[0]) << 32 | u64::from(words[1]);
                let range = (length - place) as u128;
                let other = (place + ((u128::from(word) * range) >> 64) as usize) as u32;
                let here = moved.remove(&(place as u32)).unwrap_or(place as u32);
                if other == place as u32 { here } else { moved.insert(other, here).unwrap_or(other) }
            })
            .collect()
    }
}

/// What a formula draws at its place: the words of a [`Stream`] for its env, episode and step.
pub trait Draws<R: Real> {
    /// Four words. Those of another number are independent of them.
    fn words(&self, draw: u32) -> [R::Word; 4];

    /// Four independent standard normal numbers, made of [`words`](Self::words).
    #[inline(always)]
    #[must_use]
    fn normals(&self, draw: u32) -> [R; 4] {
        R::normals(self.words(draw))
    }
}

/// Draws of one env.
#[derive(Clone, Copy, Debug)]
pub struct EnvDraws<'a> {
    stream: &'a Stream,
    env: u32,
    episode: u32,
    step: u32,
}

impl<R: Real<Word = u32>> Draws<R> for EnvDraws<'_> {
    fn words(&self, draw: u32) -> [u32; 4] {
        self.stream.words([self.env, self.episode, self.step, draw])
    }
}

/// Draws of sixteen envs.
#[derive(Clone, Copy, Debug)]
pub struct LaneDraws<'a> {
    stream: &'a Stream,
    first_env: u32,
    episode: &'a [u32; LANES],
    step: &'a [u32; LANES],
}

impl<L: Lanes> Draws<L> for LaneDraws<'_> {
    #[inline(always)]
    fn words(&self, draw: u32) -> Words {
        self.stream.lanes(self.first_env, self.episode, self.step, draw)
    }

    #[inline(always)]
    fn normals(&self, draw: u32) -> [L; 4] {
        self.stream.normal_lanes(self.first_env, self.episode, self.step, draw)
    }
}

/// Ten rounds on words that lie in the lower halves of 64 bits throughout: a vector unit multiplies those as they are,
/// and what gathers in the upper halves is never read. `GROUP` divides `N`.
#[inline(always)]
fn philox<const N: usize, const GROUP: usize>(counter: &mut [[u32; N]; 4], keys: &Keys) {
    const WORD: u64 = u32::MAX as u64;
    let factors = FACTORS.map(u64::from);
    for first in (0..N).step_by(GROUP) {
        let mut wide = [[0_u64; GROUP]; 4];
        for (wide, words) in wide.iter_mut().zip(counter.iter()) {
            for lane in 0..GROUP {
                wide[lane] = u64::from(words[first + lane]);
            }
        }
        for [left, right] in keys {
            for lane in 0..GROUP {
                let first = factors[0] * (wide[0][lane] & WORD);
                let second = factors[1] * (wide[2][lane] & WORD);
                wide[0][lane] = (second >> 32) ^ wide[1][lane] ^ left;
                wide[1][lane] = second;
                wide[2][lane] = (first >> 32) ^ wide[3][lane] ^ right;
                wide[3][lane] = first;
            }
        }
        for (words, wide) in counter.iter_mut().zip(&wide) {
            for lane in 0..GROUP {
                words[first + lane] = wide[lane] as u32;
            }
        }
    }
}

fn round_keys(key: [u32; 2]) -> Keys {
    std::array::from_fn(|round| {
        let round = round as u32;
        let left = key[0].wrapping_add(round.wrapping_mul(KEY_STEPS[0]));
        let right = key[1].wrapping_add(round.wrapping_mul(KEY_STEPS[1]));
        [u64::from(left), u64::from(right)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_known_answers_of_random123() {
        let mut counter = [[0_u32]; 4];
        philox::<1, 1>(&mut counter, &round_keys([0, 0]));
        assert_eq!(counter.map(|word| word[0]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let mut counter = [[0x243f_6a88], [0x85a3_08d3], [0x1319_8a2e], [0x0370_7344]];
        philox::<1, 1>(&mut counter, &round_keys([0xa409_3822, 0x299f_31d0]));
        assert_eq!(counter.map(|word| word[0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn lanes_draw_what_single_envs_draw() {
        let stream = Stream::new(7, "test");
        let draws = stream.lanes(32, &[3; LANES], &[9; LANES], 2);
        for lane in 0..LANES {
            let single = stream.words([32 + lane as u32, 3, 9, 2]);
            assert_eq!([draws[0][lane], draws[1][lane], draws[2][lane], draws[3][lane]], single);
        }
    }

    #[test]
    fn normal_numbers_have_the_moments_of_the_normal_distribution() {
        let stream = Stream::new(1, "moments");
        let count = 40_000;
        let mut sums = [0.0_f64; 4];
        for index in 0..count {
            for value in stream.normals([index, 0, 0, 0]) {
                let value = f64::from(value);
                for (power, sum) in sums.iter_mut().enumerate() {
                    *sum += value.powi(power as i32 + 1);
                }
            }
        }
        let moments = sums.map(|sum| sum / (4.0 * f64::from(count)));
        // Five standard errors of the mean of 160,000 draws.
        for (moment, (expected, tolerance)) in
            moments.iter().zip([(0.0, 0.0125), (1.0, 0.018), (0.0, 0.05), (3.0, 0.13)])
        {
            assert!((moment - expected).abs() < tolerance, "{moments:?}");
        }
    }

    #[test]
    fn directions_are_those_of_the_words() {
        for word in
            (0..1 << 20).map(|it: u32| it.wrapping_mul(0x9e37_79b9)).chain([0, u32::MAX, 1 << 29, 7 << 29])
        {
            let (sine, cosine) = f32::direction(word);
            let (sine, cosine) = (f64::from(sine), f64::from(cosine));
            let angle = f64::from(word) / 4_294_967_296.0 * std::f64::consts::TAU;
            let error = (sine - libm::sin(angle)).abs().max((cosine - libm::cos(angle)).abs());
            assert!(error < 1.5e-7, "error {error:e} for {word:#x}");
        }
    }

    #[test]
    fn a_permutation_holds_each_index_once() {
        let mut order = Stream::new(3, "shuffle").permutation(1000, 1000, 1, 2);
        assert_eq!(Stream::new(3, "shuffle").permutation(1000, 100, 1, 2), order[..100]);
        assert_ne!(order, (0..1000).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }
}
