//! Formulas recorded as lists of operations.
//!
//! A formula over [`Real`](eyas_lanes::Real) that is given [`Traced`] numbers writes down what it does: a straight line of
//! operations without branches, in which equal operations stand once and those that no output needs are left out. A
//! [`Program`] is replayed on any [`Real`](eyas_lanes::Real), on `f32` with the bits of the lanes; gone back through, which
//! is an oracle of adjoints that were written by hand; and counted. `docs/recorder.md` says what each operation is.
//!
//! ```
//! use eyas_lanes::Real;
//! use eyas_trace::{Form, record};
//!
//! fn energy<R: Real>([x, v]: [R; 2]) -> R {
//!     R::constant(0.5) * (x * x + v * v)
//! }
//!
//! let program = record(Form::default(), |recorder| {
//!     let state = recorder.input::<[(); 2]>("state");
//!     recorder.output::<[(); 1]>("energy", &[energy(state)]);
//! });
//! let replay = program.replay::<f32>(&[3.0, 4.0], |draw| unreachable!("{draw} of a formula without draws"));
//! assert_eq!(replay.numbers("energy"), [12.5]);
//! assert_eq!(replay.pull_back(&[1.0]), [3.0, 4.0]);
//! assert_eq!(program.counts().total(), 4);
//! ```

pub mod c;
mod counts;
mod operation;
mod program;
mod recorder;
mod recording;
mod replay;
mod reverse;
mod traced;

pub use counts::{Counts, Kind};
pub use operation::{Binary, Draw, FromWord, MaskId, NumberId, Operation, Unary, Value, WordId};
pub use program::{Group, Output, Program};
pub use recorder::{Recorder, TracedDraws, record};
pub use recording::{Constants, Form, Functions};
pub use replay::Replay;
pub use traced::{Traced, TracedMask, TracedWord};
