//! What there is to show, between those who feed it and those who look.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use tokio::sync::watch;

use crate::curves::{Curves, Piece, Seen};
use crate::log::Log;
use crate::message::{Document, HeatMap, Poses, Progress, Request, Scene, Settings, Table};

/// Where to write what viewers see. Cheap to clone; nothing here waits for a viewer.
#[derive(Clone)]
pub struct Feed {
    pub(crate) hub: Arc<Hub>,
}

pub(crate) struct Hub {
    state: Mutex<State>,
    /// Counts changes of the state.
    news: watch::Sender<u64>,
    /// The newest poses; empty before the first.
    poses: watch::Sender<Bytes>,
    viewers: AtomicUsize,
    requests: SyncSender<Request>,
}

#[derive(Default)]
struct State {
    scene: Scene,
    /// Newest JSON of each document, and when it came.
    documents: BTreeMap<String, (u64, Arc<str>)>,
    stamp: u64,
    curves: Curves,
    log: Log,
}

impl State {
    fn show(&mut self, key: String, json: String) {
        self.stamp += 1;
        self.documents.insert(key, (self.stamp, json.into()));
    }
}

/// What a viewer has been told.
#[derive(Default)]
pub(crate) struct Told {
    stamp: u64,
    curves: Seen,
    lines: usize,
}

/// What a viewer has not been told.
pub(crate) struct News {
    pub(crate) documents: Vec<Arc<str>>,
    pub(crate) curves: Vec<Piece>,
    pub(crate) lines: Vec<String>,
}

impl Hub {
    pub(crate) fn new(requests: SyncSender<Request>) -> Self {
        Self {
            state: Mutex::default(),
            news: watch::Sender::new(0),
            poses: watch::Sender::new(Bytes::new()),
            viewers: AtomicUsize::new(0),
            requests,
        }
    }

    /// The state. A thread that panicked while it held the lock left whole values behind.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.news.send_modify(|count| *count += 1);
    }

    pub(crate) fn watch_news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(crate) fn watch_poses(&self) -> watch::Receiver<Bytes> {
        self.poses.subscribe()
    }

    /// What is new to a viewer, which is taken to know it from then on.
    pub(crate) fn tell(&self, told: &mut Told) -> News {
        let state = self.state();
        let mut documents: Vec<_> =
            state.documents.values().filter(|(stamp, _)| *stamp > told.stamp).collect();
        documents.sort_by_key(|(stamp, _)| *stamp);
        let documents = documents.into_iter().map(|(_, json)| Arc::clone(json)).collect();
        told.stamp = state.stamp;
        let (curves, lines) = (state.curves.news(&mut told.curves), state.log.news(&mut told.lines));
        News { documents, curves, lines }
    }

    /// Hands on what a viewer asks for, or says why not.
    pub(crate) fn ask(&self, text: &str) -> Result<(), String> {
        let request = Request::parse(text, &self.state().scene)?;
        self.requests.try_send(request).map_err(|_| "busy: ask again".into())
    }

    /// Counts one more viewer, unless there are `most`.
    pub(crate) fn enter(self: &Arc<Self>, most: usize) -> Option<Entry> {
        let enter = |count: usize| (count < most).then_some(count + 1);
        self.viewers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter).ok()?;
        Some(Entry { hub: Arc::clone(self) })
    }
}

/// A viewer that is counted while this lives.
pub(crate) struct Entry {
    pub(crate) hub: Arc<Hub>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.hub.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Feed {
    /// How many look. Poses of flights that nobody sees need not be computed.
    #[must_use]
    pub fn num_viewers(&self) -> usize {
        self.hub.viewers.load(Ordering::Relaxed)
    }

    /// Shows where the vehicles are; poses that a viewer was too slow for are never sent.
    pub fn poses(&self, poses: &Poses) {
        self.hub.poses.send_replace(poses.to_bytes().into());
    }

    /// Adds a point to a curve.
    pub fn scalar(&self, tag: &str, step: u64, value: f64) {
        self.hub.change(|state| state.curves.push(tag, step, value));
    }

    /// Adds lines to the log.
    pub fn line(&self, text: &(impl Display + ?Sized)) {
        let text = text.to_string();
        self.hub.change(|state| state.log.push(&text));
    }

    /// Says what flies and what a viewer may do to it.
    pub fn scene(&self, scene: Scene) {
        let json = Document::Scene(&scene).to_json();
        self.hub.change(|state| {
            state.show("scene".into(), json);
            state.scene = scene;
        });
    }

    /// Says how sliders and selectors stand.
    pub fn settings(&self, settings: &Settings) {
        self.document("settings".into(), &Document::Settings(settings));
    }

    /// Says how far a run has come.
    pub fn progress(&self, progress: &Progress) {
        self.document("progress".into(), &Document::Progress(progress));
    }

    /// Shows a text, such as a configuration, in place of the one of the same name.
    pub fn text(&self, name: &str, text: &str) {
        self.document(format!("text {name}"), &Document::Text { name, text });
    }

    /// Shows a table in place of the one of the same name.
    pub fn table(&self, name: &str, table: &Table) {
        self.document(format!("table {name}"), &Document::Table { name, table });
    }

    /// Shows a matrix as colours in place of the one of the same name.
    pub fn heat_map(&self, name: &str, map: &HeatMap) {
        self.document(format!("map {name}"), &Document::HeatMap { name, map });
    }

    /// Tells viewers that what they asked for failed; an empty message takes it back.
    pub fn error(&self, message: &str) {
        self.document("error".into(), &Document::Error { message });
    }

    fn document(&self, key: String, document: &Document) {
        let json = document.to_json();
        self.hub.change(|state| state.show(key, json));
    }
}
