//! The terminal, which is left as it was found on every way out.

use std::io;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use eyas_run::Interrupt;
use ratatui::DefaultTerminal;
use ratatui::Frame;

/// Whether the terminal is ours now: it is given back once, by whoever comes first.
static IS_OPEN: AtomicBool = AtomicBool::new(false);

/// A terminal in raw mode, on its second page.
pub(super) struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    /// Takes over the terminal; a panic, the second request to stop and the end of this give it back.
    pub(super) fn open(interrupt: &Interrupt) -> io::Result<Self> {
        interrupt.before_exit(give_back);
        IS_OPEN.store(true, Ordering::SeqCst);
        let terminal = ratatui::try_init().inspect_err(|_| give_back())?;
        // The one that was just installed would leave the second page even after the dashboard has ended.
        drop(panic::take_hook());
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            print(info);
        }));
        Ok(Self { terminal })
    }

    /// Draws, as long as the terminal is ours.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame)) -> io::Result<()> {
        if IS_OPEN.load(Ordering::SeqCst) {
            self.terminal.draw(draw)?;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    if IS_OPEN.swap(false, Ordering::SeqCst) {
        ratatui::restore();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::process::Command;

    /// Set in the process that panics.
    const PANICS: &str = "EYAS_TEST_PANICS_WITH_A_SCREEN";

    /// Runs itself in the pseudo-terminal of util-linux' `script`, if that is there.
    #[test]
    fn a_panic_gives_the_terminal_back_before_it_is_printed() {
        if env::var_os(PANICS).is_some() {
            let _screen = Screen::open(&Interrupt::new()).unwrap();
            panic!("as the test wants");
        }
        let version = Command::new("script").arg("--version").output();
        if !version.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains("util-linux")) {
            eyas_testing::skip("`script` of util-linux");
            return;
        }
        let name = "dashboard::screen::tests::a_panic_gives_the_terminal_back_before_it_is_printed";
        let itself = env::current_exe().unwrap();
        let command = format!("{} --exact {name} --nocapture", itself.display());
        let output = Command::new("script")
            .args(["--quiet", "--command", &command, "/dev/null"])
            .env(PANICS, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let (taken, given_back) = ("\u{1b}[?1049h", "\u{1b}[?1049l");
        let places = [taken, given_back, "as the test wants"].map(|part| said.find(part));
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{said}");
        assert_eq!(said.matches(given_back).count(), 1, "{said}");
    }
}
