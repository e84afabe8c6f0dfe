//! Working memory that threads take in turns.

use std::sync::{Mutex, PoisonError};

/// Pieces of working memory, as many as threads used at once. The piece that was used last is taken first: it is still in
/// the caches.
#[derive(Debug)]
pub(crate) struct Spares<T>(Mutex<Vec<T>>);

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Spares<T> {
    /// A piece that nobody uses, or a new one.
    pub(crate) fn take_or(&self, new: impl FnOnce() -> T) -> T {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(new)
    }

    /// Makes a piece available to others.
    pub(crate) fn give_back(&self, piece: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
    }
}
