//! Flights side by side as a video.

use crate::airframe::Airframe;
use crate::apng;
use crate::backdrop::{self, Ground};
use crate::flight::{Flight, Moment};
use crate::frame::{Color, Frame, palette};
use crate::line::{self, Path, Stencil};
use crate::overlay::{self, COMPACT_WIDTH, Caption, Shown};
use crate::raster::{Craft, Samples};
use crate::space::{Camera, Lens};
use crate::video::{self, VideoError};
use crate::view::{Shot, View, shots};

/// How long the flown line is, s.
const TRAIL_S: f64 = 4.0;
/// Frames/s that a video comes nearest to; one frame shows a whole number of control steps.
const RATE_HZ: f64 = 50.0;
/// Width and height of the map in a corner, px.
const MAP: [usize; 2] = [236, 200];

/// One flight in a film.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What happens.
    pub flight: Flight,
    /// What flies.
    pub airframe: Airframe,
    /// How it is labelled.
    pub caption: Caption,
    /// How it is seen.
    pub view: View,
}

/// Flights that are shown together, in one picture or in a grid of them.
#[derive(Debug)]
pub struct Film {
    width: usize,
    height: usize,
    panels: Vec<Panel>,
    columns: usize,
    /// Control steps from frame to frame.
    stride: usize,
    num_moments: usize,
}

/// A scene with what is known of it before any frame is drawn.
#[derive(Debug)]
struct Panel {
    scene: Scene,
    shots: Vec<Shot>,
    map: Vec<Shot>,
    /// Angle of each rotor at each moment, rad, of each vehicle.
    angles: Vec<Vec<[f32; 4]>>,
    width: usize,
    height: usize,
}

/// Space between pictures, px.
const GAP: usize = 4;

impl Film {
    /// A film of a size in px; scenes are set in rows of `columns`.
    pub fn new((width, height): (usize, usize), columns: usize, scenes: Vec<Scene>) -> Self {
        let columns = columns.clamp(1, scenes.len().max(1));
        let rows = scenes.len().div_ceil(columns).max(1);
        let size = |total: usize, count: usize| (total.saturating_sub(GAP * (count - 1)) / count).max(1);
        let (panel_width, panel_height) = (size(width, columns), size(height, rows));
        let num_moments = scenes.iter().map(|scene| scene.flight.moments().len()).max().unwrap_or(0);
        let period = scenes.first().map_or(0.01, |scene| scene.flight.period_s);
        let stride = ((1.0 / RATE_HZ / period).round() as usize).max(1);
        let panels = scenes.into_iter().map(|scene| Panel::new(scene, panel_width, panel_height)).collect();
        Self { width, height, panels, columns, stride, num_moments }
    }

    /// Number of frames.
    pub fn num_frames(&self) -> usize {
        self.num_moments.div_ceil(self.stride)
    }

    /// The bytes of an animated PNG file that repeats the film without end, at half its frames. `goes_on` as for
    /// [`encode`](Self::encode); there the picture stands still from then on.
    ///
    /// # Errors
    ///
    /// [`VideoError::Empty`] for a film without moments.
    pub fn encode_png(&self, goes_on: &mut dyn FnMut(usize) -> bool) -> Result<Vec<u8>, VideoError> {
        let mut painter = self.painter();
        let count = self.num_frames().div_ceil(2);
        let paint = |index: usize, frame: &mut Frame| painter(2 * index, frame);
        let mut goes_on = |done: usize| goes_on(2 * done);
        apng::encode((self.width, self.height), 2 * self.period_us(), count, paint, &mut goes_on)
    }

    /// Time that a frame is shown, µs.
    fn period_us(&self) -> u32 {
        let period = self.panels.first().map_or(0.01, |panel| panel.scene.flight.period_s);
        (1e6 * period * self.stride as f64).round() as u32
    }

    /// One frame.
    pub fn frame(&self, index: usize) -> Frame {
        let mut frame = Frame::new(self.width, self.height);
        self.painter()(index, &mut frame);
        frame
    }

    /// What draws the frame of an index over a frame of the film's size; it keeps what frames share.
    pub fn painter(&self) -> impl FnMut(usize, &mut Frame) {
        let mut painter = Painter::default();
        move |index, frame| painter.paint(self, index, frame)
    }

    /// The bytes of an MP4 file that plays as fast as the vehicles flew. `goes_on` is told how many frames are done; where it
    /// answers with false the film ends there.
    ///
    /// # Errors
    ///
    /// [`VideoError`], for instance for a film without moments.
    pub fn encode(&self, goes_on: &mut dyn FnMut(usize) -> bool) -> Result<Vec<u8>, VideoError> {
        let frames = (self.period_us(), self.num_frames());
        video::encode_while((self.width, self.height), frames, || self.painter(), goes_on)
    }
}

impl Panel {
    fn new(scene: Scene, width: usize, height: usize) -> Self {
        let shots = shots(&scene.flight, &scene.airframe, scene.view, (width, height));
        let has_map = width >= COMPACT_WIDTH && matches!(scene.view, View::Chase | View::Orbit);
        let map = if has_map {
            crate::view::shots(&scene.flight, &scene.airframe, View::Top, (MAP[0], MAP[1]))
        } else {
            Vec::new()
        };
        let angles = scene.flight.vehicles().map(angles).collect();
        Self { scene, shots, map, angles, width, height }
    }

    /// The last moment at or before an index.
    fn index(&self, index: usize) -> Option<usize> {
        self.shots.len().checked_sub(1).map(|last| index.min(last))
    }

    /// The way of each vehicle's target and its own, with their colours and widths, and where it is now.
    fn lines(&self, index: usize) -> impl Iterator<Item = ([(Path, Color, f32); 2], Moment)> {
        self.scene.flight.vehicles().filter(move |flight| flight.moments().len() > index).map(move |flight| {
            let lines = [
                (Self::reference(flight, index), palette::REFERENCE, 0.7),
                (Self::trail(flight, index), palette::FLOWN, 1.0),
            ];
            (lines, flight.moments()[index])
        })
    }

    fn trail(flight: &Flight, index: usize) -> Path {
        let steps = (TRAIL_S / flight.period_s) as usize;
        let start = flight.episode_of(index).start.max((index + 1).saturating_sub(steps));
        let count = steps.max(1) as f32;
        let points = (start..=index)
            .map(|at| {
                let age = (index - at) as f32 / count;
                (flight.moments()[at].pose.position, 1.0 - age * age)
            })
            .collect();
        Path { points }
    }

    /// The target's way through the episode; faint where it has been.
    fn reference(flight: &Flight, index: usize) -> Path {
        let steps = 2.0 * (TRAIL_S / flight.period_s) as f32;
        let points = flight
            .episode_of(index)
            .map(|at| {
                let ahead = if at < index { 0.35 } else { 0.9 - 0.6 * (at - index) as f32 / steps.max(1.0) };
                (flight.moments()[at].target, ahead.max(0.3))
            })
            .collect();
        Path { points }
    }
}

/// Angles of the rotors of a vehicle at each moment, rad.
fn angles(flight: &Flight) -> Vec<[f32; 4]> {
    let mut angle = [0.3, 1.1, 2.3, 2.9];
    let turned = flight.moments().iter().map(|moment| {
        // Not the true speed, which a frame rate of 50 Hz cannot show, but one that the eye follows.
        for (angle, throttle) in angle.iter_mut().zip(moment.throttle) {
            *angle = (*angle + 0.12 + 0.35 * throttle) % std::f32::consts::TAU;
        }
        angle
    });
    turned.collect()
}

/// Draws frames one after the other, and keeps what they share.
#[derive(Debug, Default)]
pub(crate) struct Painter {
    artists: Vec<Artist>,
}

/// Draws one panel.
#[derive(Debug, Default)]
struct Artist {
    main: Canvas,
    map: Canvas,
}

/// The memory of one picture.
#[derive(Debug, Default)]
struct Canvas {
    frame: Option<Frame>,
    /// Camera and ground of the last frame, and its backdrop once it has been used twice.
    backdrop: Option<(Camera, Ground, Option<Frame>)>,
    samples: Samples,
    stencil: Stencil,
}

impl Painter {
    pub(crate) fn paint(&mut self, film: &Film, index: usize, frame: &mut Frame) {
        self.artists.resize_with(film.panels.len(), Artist::default);
        if film.panels.len() > 1 {
            frame.pixels.fill(crate::frame::pack(palette::PAPER));
        }
        for (place, (panel, artist)) in film.panels.iter().zip(&mut self.artists).enumerate() {
            let Some(moment) = panel.index(index * film.stride) else { continue };
            artist.paint(panel, moment);
            let (column, row) = (place % film.columns, place / film.columns);
            let picture = artist.main.frame.as_mut().expect("it has just been painted");
            if (picture.width, picture.height) == (frame.width, frame.height) {
                std::mem::swap(picture, frame);
                continue;
            }
            frame.paste(picture, column * (panel.width + GAP), row * (panel.height + GAP));
        }
    }
}

impl Artist {
    fn paint(&mut self, panel: &Panel, index: usize) {
        let scene = &panel.scene;
        let moment = &scene.flight.moments()[index];
        let shot = panel.shots[index];
        self.main.paint(panel, (panel.width, panel.height), index, shot);
        let frame = self.main.frame.as_mut().expect("it has just been painted");
        let time_s = moment.step as f32 * scene.flight.period_s as f32;
        let memory = scene.flight.memory(index);
        // Of several vehicles: how far they are from their places on average, and whether any has crashed.
        let num_vehicles = scene.flight.vehicles().count();
        let errors = scene.flight.moments_at(index).map(Moment::position_error);
        let shown = Shown {
            moment,
            num_vehicles,
            position_error: errors.sum::<f32>() / num_vehicles as f32,
            has_crashed: scene.flight.moments_at(index).any(|it| it.has_crashed),
            time_s,
        };
        overlay::draw(frame, &scene.caption, &shown, memory);
        let edge = frame.width as f32 - overlay::inset(frame.width);
        let mut right = edge;
        if let Some(shot) = panel.map.get(index) {
            self.map.paint_map(panel, index, *shot);
            let map = self.map.frame.as_ref().expect("it has just been painted");
            let place = [frame.width - 20 - MAP[0], frame.height - 20 - MAP[1]];
            let [x, y, width, height] = [place[0], place[1], MAP[0], MAP[1]].map(|value| value as f32);
            for edge in [
                [x - 3.0, y - 3.0, width + 6.0, 3.0],
                [x - 3.0, y + height, width + 6.0, 3.0],
                [x - 3.0, y, 3.0, height],
                [x + width, y, 3.0, height],
            ] {
                frame.rounded(edge, 0.0, palette::PAPER, 1.0);
            }
            frame.paste(map, place[0], place[1]);
            right = x - 15.0;
        }
        overlay::legend(frame, shot.ground.grid, shot.magnification, [edge, right]);
    }
}

impl Canvas {
    fn paint(&mut self, panel: &Panel, (width, height): (usize, usize), index: usize, shot: Shot) {
        let mut frame = self.frame.take().unwrap_or_else(|| Frame::new(width, height));
        let lens = Lens::new(shot.camera, width, height);
        self.paint_backdrop(&mut frame, &lens, shot.ground);
        self.samples.resize(width, height);
        self.stencil.resize(width, height);
        let airframe = &panel.scene.airframe;
        let vehicles: Vec<_> = panel.lines(index).collect();
        for (_, moment) in &vehicles {
            let shades = airframe.shades(&moment.pose, shot.magnification, shot.ground.height);
            backdrop::shade(&mut frame, &lens, shot.ground, &shades);
        }
        let base = (height as f32 / 200.0).clamp(1.4, 4.0);
        let radius = 0.075 * airframe.reach * shot.magnification;
        // First what is behind each vehicle, then the vehicles, then what is in front.
        for (lines, moment) in &vehicles {
            let depth = lens.view(moment.pose.position)[2];
            for (path, color, share) in lines {
                self.stencil.line(&mut frame, &lens, path, (*color, base * share), |far| far >= depth);
            }
            if lens.view(moment.target)[2] >= depth {
                line::target(&mut frame, &lens, moment.target, radius, palette::REFERENCE);
            }
        }
        for ((_, moment), angles) in vehicles.iter().zip(&panel.angles) {
            let craft = Craft {
                airframe,
                pose: moment.pose,
                magnification: shot.magnification,
                throttle: moment.throttle,
                angle: angles[index],
            };
            self.samples.draw(&frame, &lens, &craft);
        }
        self.samples.resolve(&mut frame);
        for (lines, moment) in &vehicles {
            let depth = lens.view(moment.pose.position)[2];
            for (path, color, share) in lines {
                self.stencil.line(&mut frame, &lens, path, (*color, base * share), |far| far < depth);
            }
            if lens.view(moment.target)[2] < depth {
                line::target(&mut frame, &lens, moment.target, radius, palette::REFERENCE);
            }
        }
        self.frame = Some(frame);
    }

    /// The flight from above, the vehicle as a dot: it would hide where it has been.
    fn paint_map(&mut self, panel: &Panel, index: usize, shot: Shot) {
        let [width, height] = MAP;
        let mut frame = self.frame.take().unwrap_or_else(|| Frame::new(width, height));
        let lens = Lens::new(shot.camera, width, height);
        self.paint_backdrop(&mut frame, &lens, shot.ground);
        self.stencil.resize(width, height);
        for (lines, moment) in panel.lines(index) {
            for (path, color, _) in &lines {
                self.stencil.line(&mut frame, &lens, path, (*color, 2.0), |_| true);
            }
            line::target(&mut frame, &lens, moment.target, 0.0, palette::REFERENCE);
            let dot = 4.0 * lens.view(moment.pose.position)[2] / lens.focal;
            line::ball(&mut frame, &lens, moment.pose.position, dot, palette::FLOWN);
        }
        self.frame = Some(frame);
    }

    /// The same picture again where camera and ground have not moved.
    fn paint_backdrop(&mut self, frame: &mut Frame, lens: &Lens, ground: Ground) {
        let is_still =
            self.backdrop.as_ref().is_some_and(|(camera, seen, _)| (*camera, *seen) == (lens.camera, ground));
        if let Some((_, _, Some(picture))) = &self.backdrop
            && is_still
        {
            frame.pixels.copy_from_slice(&picture.pixels);
            return;
        }
        backdrop::paint(frame, lens, ground);
        self.backdrop = Some((lens.camera, ground, is_still.then(|| frame.clone())));
    }
}
