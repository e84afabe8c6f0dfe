//! Ctrl-C asks a run to stop after the current step; a second Ctrl-C stops it at once.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

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

    /// Listens for Ctrl-C, SIGTERM and, unless `nohup` has the process ignore it, SIGHUP. Call it once per process.
    ///
    /// The second signal exits with status 130 without running destructors; files written with
    /// `eyas_formats::atomic` survive that.
    ///
    /// # Errors
    ///
    /// [`RunError::Interrupt`] if the process already has a handler.
    pub fn install() -> Result<Self, RunError> {
        static IS_INSTALLED: AtomicBool = AtomicBool::new(false);

        let fails = |source| RunError::Interrupt { source };
        if IS_INSTALLED.swap(true, Ordering::SeqCst) {
            return Err(fails(io::Error::other("the process listens already")));
        }
        let interrupt = Self::new();
        let handle = interrupt.clone();
        listen(move || handle.request()).map_err(fails)?;
        Ok(interrupt)
    }

    /// Asks the run to stop when what is read here ends, as a pipe does whose other end dies: then nobody waits for the
    /// run. If it has not stopped after `grace`, the program exits with status 130.
    ///
    /// # Errors
    ///
    /// [`RunError::Interrupt`] if no thread can be started.
    pub fn stop_at_end_of(
        &self,
        mut input: impl Read + Send + 'static,
        grace: Duration,
    ) -> Result<(), RunError> {
        let interrupt = self.clone();
        let wait = move || {
            // What is read means nothing; an error is an end.
            let _ = io::copy(&mut input, &mut io::sink());
            interrupt.trigger();
            std::thread::sleep(grace);
            exit_now();
        };
        let thread = std::thread::Builder::new().name("parent".into()).spawn(wait);
        thread.map(drop).map_err(|source| RunError::Interrupt { source })
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

/// Calls `heard` at each signal that asks the process to stop, on a thread of its own.
#[cfg(unix)]
fn listen(heard: impl Fn() + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let mut signals = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP) {
        signals.push(SIGHUP);
    }
    let mut signals = signal_hook::iterator::Signals::new(signals)?;
    let wait = move || signals.forever().for_each(|_| heard());
    std::thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}

#[cfg(not(unix))]
fn listen(heard: impl Fn() + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(heard).map_err(io::Error::other)
}

/// Whether the process was started with a signal ignored, where the system tells that in a file.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Makes a write beyond the limit of a file's size an error like that of a full disk, instead of the end of the process
/// without a word.
///
/// # Errors
///
/// If the signal cannot be taken.
pub fn outlive_file_size_limit() -> io::Result<()> {
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    Ok(())
}

#[expect(clippy::exit, reason = "the user has asked twice, or has gone, and the main thread may be stuck")]
fn exit_now() -> ! {
    std::process::exit(EXIT_INTERRUPTED)
}
