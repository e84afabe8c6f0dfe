//! `--tui`: what a long run tells, in the terminal that it runs in.

mod draw;
mod screen;
mod state;

use std::io::{IsTerminal as _, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use eyas::Failure;
use eyas_run::Interrupt;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use self::screen::Screen;
pub(crate) use self::state::{DashboardState, left_s};

/// From picture to picture while no key is pressed.
const REFRESH: Duration = Duration::from_millis(250);
/// Lines that a page key scrolls.
const PAGE: isize = 10;

/// Refuses a dashboard where there is no terminal to show it in.
pub(crate) fn check(is_asked_for: bool) -> Result<(), Failure> {
    if is_asked_for && !(stdout().is_terminal() && stdin().is_terminal()) {
        return Err(Failure::new("`--tui`: stdin and stdout are not both a terminal")
            .hint("leave the flag out: the run then prints lines, which can be piped"));
    }
    Ok(())
}

/// A picture of a run that is drawn anew as it goes on, until this is dropped.
pub(crate) struct Dashboard {
    shared: Arc<Shared>,
    painter: Option<JoinHandle<()>>,
}

/// What the run and the thread that draws have in common.
struct Shared {
    state: Mutex<DashboardState>,
    ends: AtomicBool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, DashboardState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dashboard {
    /// Takes over the terminal. `q` and Ctrl-C ask the run to stop as Ctrl-C does without a dashboard.
    pub(crate) fn open(state: DashboardState, interrupt: &Interrupt) -> Result<Self, Failure> {
        let screen = Screen::open(interrupt)?;
        let shared = Arc::new(Shared { state: Mutex::new(state), ends: AtomicBool::new(false) });
        let (seen, interrupt) = (Arc::clone(&shared), interrupt.clone());
        let painter = thread::Builder::new()
            .name("dashboard".into())
            .spawn(move || paint(screen, &seen, &interrupt))?;
        Ok(Self { shared, painter: Some(painter) })
    }

    /// Changes what is shown.
    pub(crate) fn change(&self, change: impl FnOnce(&mut DashboardState)) {
        change(&mut self.shared.state());
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        let _ = self.painter.take().map(JoinHandle::join);
    }
}

/// Draws until the dashboard or the terminal ends. A terminal that has gone ends no run.
fn paint(mut screen: Screen, shared: &Shared, interrupt: &Interrupt) {
    let mut due = Instant::now();
    while !shared.ends.load(Ordering::Relaxed) {
        if Instant::now() >= due {
            let mut state = shared.state();
            state.is_stopping = interrupt.interrupted();
            if screen.draw(|frame| draw::draw(frame, &state)).is_err() {
                return;
            }
            due = Instant::now() + REFRESH;
        }
        // Short, so that a run that ends does not wait for it.
        match event::poll(Duration::from_millis(20)) {
            Ok(false) => {}
            Ok(true) => match event::read() {
                Ok(event) => {
                    answer(&event, shared, interrupt);
                    due = Instant::now();
                }
                Err(_) => return,
            },
            Err(_) => return,
        }
    }
}

fn answer(event: &Event, shared: &Shared, interrupt: &Interrupt) {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event else { return };
    match code {
        KeyCode::Char('q') => interrupt.request(),
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => interrupt.request(),
        KeyCode::Up => shared.state().scroll(-1),
        KeyCode::Down => shared.state().scroll(1),
        KeyCode::PageUp => shared.state().scroll(-PAGE),
        KeyCode::PageDown => shared.state().scroll(PAGE),
        KeyCode::Home => shared.state().scroll(isize::MIN),
        _ => {}
    }
}
