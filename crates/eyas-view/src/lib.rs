//! Frames from states: a software renderer of flying quadrotors, and MP4.
//!
//! Everything is drawn on the CPU with the same operations on every machine, so a film has the same bytes everywhere.

mod airframe;
mod backdrop;
mod film;
mod flight;
mod frame;
mod line;
mod mesh;
mod mp4;
mod overlay;
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
pub use space::{Pose, Vector};
pub use video::{VideoError, encode};
pub use view::View;
