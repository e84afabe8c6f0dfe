//! The promises of the tasks, one module each.

mod replay;
