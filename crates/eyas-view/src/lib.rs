//! A software renderer: films of flying quadrotors as MP4 or animated PNG, plots as PNG.
//!
//! Everything is drawn on the CPU with the same operations on every machine, so a film and a plot have the same bytes
//! everywhere.

mod airframe;
mod apng;
mod backdrop;
mod film;
mod flight;
mod frame;
mod line;
mod mesh;
mod mp4;
mod overlay;
mod plot;
mod quantizer;
mod raster;
mod space;
mod text;
mod video;
mod view;

pub use airframe::Airframe;
pub use film::{Film, Scene};
pub use flight::{Flight, Moment};
pub use frame::Frame;
pub use overlay::Caption;
pub use plot::{Chart, Heatmap, Paths};
pub use space::{Pose, Vector};
pub use text::missing_glyph;
pub use video::{VideoError, encode};
pub use view::View;
