//! Manager-based tasks are what their files say.

mod equals_point;
