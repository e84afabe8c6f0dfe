//! The live view: one page, served by the program itself, that shows flights, curves, configuration and log.
//!
//! It knows no task and no algorithm. Whoever has something to show writes it to a [`Feed`], which never waits: of
//! poses and documents every viewer gets the newest that it has time for, and what a viewer asks for comes back through
//! the receiver of [`LiveView::start`], checked against the [`Scene`] that was shown.
//!
//! ```
//! let (view, requests) = eyas_web::LiveView::start(([127, 0, 0, 1], 0).into())?;
//! view.feed().scalar("training/loss", 0, 0.25);
//! assert!(view.address().port() > 0);
//! assert!(requests.try_recv().is_err());
//! # Ok::<(), std::io::Error>(())
//! ```

mod client;
mod curves;
mod doors;
mod guard;
mod hub;
mod log;
mod message;
mod page;
mod server;

pub use curves::Curve;
pub use doors::Limits;
pub use hub::Feed;
pub use message::{Control, HeatMap, Poses, Progress, Request, Scene, Settings, Table, Vehicle, VehiclePose};
pub use server::LiveView;
