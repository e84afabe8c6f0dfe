//! Public behaviour of the renderer.

mod script;
