//! Labelled episodes in bounded memory.

use eyas_lanes::Stream;

use super::collect::Rollouts;
use super::resting::RestingError;

/// One episode: a record for each visited state, the student's observation followed by the label.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Episode {
    /// `num_samples × width` numbers.
    pub records: Vec<f32>,
    /// Numbers in a record.
    pub width: usize,
    /// Sum of the rewards.
    pub episode_return: f32,
    /// Whether it ended in a termination.
    pub crashed: bool,
    /// Who labelled it.
    pub teacher: u32,
}

impl Episode {
    /// Adds a record, whose position is told from where its teacher comes to rest if that is known.
    pub(super) fn push(&mut self, record: impl Iterator<Item = f32>, resting: Option<&RestingError>) {
        let start = self.records.len();
        self.records.extend(record);
        if let Some(resting) = resting {
            resting.subtract_from(&mut self.records[start..]);
        }
    }

    /// Number of visited states.
    #[must_use]
    pub fn num_samples(&self) -> usize {
        self.records.len().checked_div(self.width).unwrap_or(0)
    }

    fn bytes(&self) -> u64 {
        4 * self.records.len() as u64
    }
}

/// Episodes of all epochs so far, or a uniform sample of them where memory is short.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The episodes kept.
    pub episodes: Vec<Episode>,
    /// Sort keys of the episodes kept: the smallest draws stay.
    pub keys: Vec<u32>,
    /// Episodes ever seen.
    pub seen: u64,
    /// What tells the episodes kept from all others that were in this dataset.
    ids: Vec<u64>,
    next_id: u64,
    max_memory: u64,
    stream: Stream,
}

impl Dataset {
    /// An empty dataset of at most `max_memory` bytes.
    #[must_use]
    pub fn new(max_memory: u64, seed: u64) -> Self {
        let stream = Stream::new(seed, "distill/reservoir");
        Self {
            episodes: Vec::new(),
            keys: Vec::new(),
            seen: 0,
            ids: Vec::new(),
            next_id: 0,
            max_memory,
            stream,
        }
    }

    /// Puts back what an earlier run kept.
    pub fn restore(&mut self, episodes: Vec<Episode>, keys: Vec<u32>, seen: u64) {
        self.ids.clear();
        for _ in &episodes {
            self.give_id();
        }
        (self.episodes, self.keys, self.seen) = (episodes, keys, seen);
    }

    fn give_id(&mut self) {
        self.ids.push(self.next_id);
        self.next_id += 1;
    }

    /// For each of [`episodes`](Self::episodes) a number that no other episode of this dataset has or had.
    #[must_use]
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.episodes.clear();
        self.keys.clear();
        self.ids.clear();
    }

    /// Visited states in all episodes kept.
    #[must_use]
    pub fn num_samples(&self) -> usize {
        self.episodes.iter().map(Episode::num_samples).sum()
    }

    /// Adds the episodes of an epoch. Every episode draws a random key; above the memory limit those with the
    /// largest keys go, so that what stays is a uniform sample of all episodes ever seen.
    pub(super) fn aggregate(&mut self, rollouts: Rollouts, epoch: u32) {
        for (index, mut episode) in rollouts.episodes.into_iter().enumerate() {
            episode.records.shrink_to_fit();
            self.keys.push(self.stream.words([index as u32, epoch, 0, 0])[0]);
            self.episodes.push(episode);
            self.give_id();
            self.seen += 1;
        }
        let mut bytes: u64 = self.episodes.iter().map(Episode::bytes).sum();
        if bytes <= self.max_memory {
            return;
        }
        // From the largest key down, the later episode first where two are equal.
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by_key(|place| std::cmp::Reverse((self.keys[*place], *place)));
        let mut stays = vec![true; self.keys.len()];
        for place in order.into_iter().take(self.keys.len() - 1) {
            if bytes <= self.max_memory {
                break;
            }
            bytes -= self.episodes[place].bytes();
            stays[place] = false;
        }
        let mut keep = stays.iter();
        self.episodes.retain(|_| keep.next() == Some(&true));
        let mut keep = stays.iter();
        self.keys.retain(|_| keep.next() == Some(&true));
        let mut keep = stays.iter();
        self.ids.retain(|_| keep.next() == Some(&true));
    }
}
