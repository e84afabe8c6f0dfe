//! Ctrl-C asks a run to stop after the current step; a second Ctrl-C stops it at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::RunError;

/// Exit status of a program that SIGINT ended: 128 + 2.
const EXIT_INTERRUPTED: i32 = 130;

/// A request to stop, shared by all its clones.
///
/// ```
/// use eyas_run::Interrupt;
///
/// let interrupt = Interrupt::new();
/// let mut epochs = 0;
/// while epochs < 100 && !interrupt.interrupted() {
///     epochs += 1;
///     if epochs == 3 {
///         interrupt.trigger(); // or Ctrl-C, after `Interrupt::install()`
///     }
/// }
/// assert_eq!(epochs, 3);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
    last_words: Arc<OnceLock<fn()>>,
}

impl Interrupt {
    /// A request that only [`trigger`](Self::trigger) makes, for tests and embedding.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens for Ctrl-C, SIGTERM and SIGHUP. Call it once per process.
    ///
    /// The second signal exits with status 130 without running destructors; files written with
    /// `eyas_formats::atomic` survive that.
    ///
    /// # Errors
    ///
    /// [`RunError::Interrupt`] if the process already has a handler.
    pub fn install() -> Result<Self, RunError> {
        let interrupt = Self::new();
        let handle = interrupt.clone();
        ctrlc::set_handler(move || handle.request()).map_err(|source| RunError::Interrupt { source })?;
        Ok(interrupt)
    }

    /// Whether the run should stop after the current step.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Asks the run to stop, as Ctrl-C does: the second time the program exits with status 130, without running
    /// destructors.
    pub fn request(&self) {
        if self.requested.swap(true, Ordering::SeqCst) {
            if let Some(last_words) = self.last_words.get() {
                last_words();
            }
            exit_now();
        }
    }

    /// Runs something before a second request exits, such as giving back the terminal. The first caller is heard.
    pub fn before_exit(&self, last_words: fn()) {
        let _ = self.last_words.set(last_words);
    }

    /// Asks the run to stop, as the first Ctrl-C does.
    pub fn trigger(&self) {
        self.requested.store(true, Ordering::SeqCst);
    }
}

#[expect(clippy::exit, reason = "the user has asked twice, and the main thread may be stuck")]
fn exit_now() -> ! {
    std::process::exit(EXIT_INTERRUPTED)
}
