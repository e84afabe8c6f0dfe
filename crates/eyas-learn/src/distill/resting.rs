//! Where a teacher comes to rest, and how its students are told.

use std::ops::Range;

use eyas_env::{EnvSpec, Frame, POSITION_ERROR};

/// Names of the parts that tell where a vehicle is.
const POSITIONS: [&str; 2] = [POSITION_ERROR, "position"];

/// The features of a student's observation that tell where the vehicle is, m.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionFeatures {
    /// The first of each three.
    starts: Vec<usize>,
}

/// A teacher's error at rest cannot be told to the students of a task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Uncorrectable {
    /// Nothing that the student sees is a position.
    #[error(
        "of what the student sees in task `{task}` ({}) nothing is named `position_error` or `position` and a vector in m",
        .parts.join(", ")
    )]
    Unseen {
        /// The task.
        task: &'static str,
        /// Names of the parts that the student sees.
        parts: Vec<&'static str>,
    },
    /// It sees one in another frame than the error has.
    #[error(
        "the student sees `{part}` in the frame {seen:?}, a teacher's error at rest is in the frame {measured:?}"
    )]
    Frame {
        /// The part.
        part: &'static str,
        /// Its frame.
        seen: Frame,
        /// The frame of [`Evaluation::steady_state_offset`](crate::Evaluation::steady_state_offset).
        measured: Frame,
    },
}

impl PositionFeatures {
    /// Those of a student that reads `student` of the task's full observation.
    ///
    /// # Errors
    ///
    /// [`Uncorrectable`] if it reads none, or one in another frame than errors at rest are measured in.
    pub fn new(spec: &EnvSpec, student: &Range<usize>) -> Result<Self, Uncorrectable> {
        // Where no part tells the error, positions themselves are compared: in the world.
        let measured = spec.position_error().map_or(Frame::World, |(part, _)| part.frame);
        let is_seen = |it: &Range<usize>| student.start <= it.start && it.end <= student.end;
        let seen = || spec.layout().filter(|(_, features)| is_seen(features));
        let mut starts = Vec::new();
        for (part, features) in seen() {
            if !POSITIONS.contains(&part.name) || !part.is_vector_in_metres() {
                continue;
            }
            if part.frame != measured {
                return Err(Uncorrectable::Frame { part: part.name, seen: part.frame, measured });
            }
            starts.push(features.start - student.start);
        }
        if starts.is_empty() {
            let parts = seen().map(|(part, _)| part.name).collect();
            return Err(Uncorrectable::Unseen { task: spec.task, parts });
        }
        Ok(Self { starts })
    }
}

/// Where a teacher comes to rest beside a target that rests, in the features that tell its students where they are.
///
/// With o those features and m their mean while the teacher rests, a student learns s(o − m) = t(o): as its teacher
/// holds still at o = m, it does at o = 0. This is so in any frame, as long as m and o share it. An error in the body
/// frame turns with the vehicle, so its mean is where a teacher rests that turns to one heading (as the reward of the
/// point task asks for), or that rests at the same place of the body frame in all.
#[derive(Clone, Debug, PartialEq)]
pub struct RestingError {
    features: PositionFeatures,
    /// m, in metres.
    error: [f32; 3],
}

impl RestingError {
    /// An error of [`Evaluation::steady_state_offset`](crate::Evaluation::steady_state_offset), m.
    #[must_use]
    pub fn new(features: PositionFeatures, error: [f64; 3]) -> Self {
        Self { features, error: error.map(|it| it as f32) }
    }

    /// Tells a student's observation from where the teacher comes to rest.
    pub(super) fn subtract_from(&self, observation: &mut [f32]) {
        for start in &self.features.starts {
            for (position, error) in observation[*start..].iter_mut().zip(&self.error) {
                *position -= error;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use eyas_env::{
        DirectConfig, FormationConfig, ManagerConfig, Observation, PointConfig, RaptorConfig, TaskConfig,
    };

    use super::*;

    /// Places of the positions in what students of that group see.
    fn starts(task: &impl TaskConfig, group: &str) -> Result<Vec<usize>, Uncorrectable> {
        let spec = task.spec();
        PositionFeatures::new(&spec, &spec.group(group).unwrap().features).map(|it| it.starts)
    }

    #[test]
    fn tasks_that_begin_with_a_position_are_corrected_there() {
        for group in ["policy", "teacher"] {
            assert_eq!(starts(&PointConfig::default(), group), Ok(vec![0]));
            assert_eq!(starts(&RaptorConfig::default(), group), Ok(vec![0]));
            assert_eq!(starts(&ManagerConfig::shipped(), group), Ok(vec![0]));
            // `position` of the student, `position_error` of the teacher.
            let absolute = RaptorConfig { observation: Observation::Absolute, ..RaptorConfig::default() };
            assert_eq!(starts(&absolute, group), Ok(vec![0]));
        }
    }

    #[test]
    fn velocities_and_errors_of_many_vehicles_are_no_position() {
        let unseen = starts(&DirectConfig::default(), "policy").unwrap_err();
        let names = ["root_lin_vel_b", "root_ang_vel_b", "projected_gravity_b", "desired_pos_b"];
        assert_eq!(unseen, Uncorrectable::Unseen { task: eyas_env::DIRECT_TASK, parts: names.to_vec() });
        assert!(matches!(
            starts(&FormationConfig::default(), "policy"),
            Err(Uncorrectable::Unseen { task: eyas_env::FORMATION_TASK, .. })
        ));
    }

    /// The point task with other parts.
    fn seen(parts: &[(&'static str, usize, Frame, &'static str)]) -> Result<Vec<usize>, Uncorrectable> {
        let mut spec = PointConfig::default().spec();
        let of = |&(name, width, frame, unit)| eyas_env::Part { name, width, frame, unit, meaning: "" };
        spec.parts = parts.iter().map(of).collect();
        // All but the first two features are the student's.
        PositionFeatures::new(&spec, &(2..spec.num_observations())).map(|it| it.starts)
    }

    #[test]
    fn only_vectors_in_metres_of_the_measured_frame_are_corrected() {
        let secret = ("secret", 2, Frame::World, "1");
        let error = ("position_error", 3, Frame::World, "m");
        let position = ("position", 3, Frame::World, "m");
        let rate = ("angular_velocity", 3, Frame::Body, "rad/s");
        assert_eq!(seen(&[secret, rate, error]), Ok(vec![3]));
        assert_eq!(seen(&[secret, position, rate, error]), Ok(vec![0, 6]));
        // A position is in the world as the error of a task is that nobody sees.
        assert_eq!(seen(&[secret, rate, position]), Ok(vec![3]));
        for unseen in [("position_error", 3, Frame::World, "1"), ("position", 1, Frame::World, "m")] {
            let parts = vec!["angular_velocity", unseen.0];
            let expected = Err(Uncorrectable::Unseen { task: eyas_env::POINT_TASK, parts });
            assert_eq!(seen(&[secret, rate, unseen]), expected);
        }
        let body = ("position_error", 3, Frame::Body, "m");
        let mixed = Uncorrectable::Frame { part: "position", seen: Frame::World, measured: Frame::Body };
        assert_eq!(seen(&[secret, body, position]), Err(mixed));
        // Of a part that begins before the student's features it sees a piece.
        assert!(matches!(seen(&[error, rate]), Err(Uncorrectable::Unseen { .. })));
    }

    #[test]
    fn an_error_is_taken_off_where_the_student_sees_its_position() {
        let features = PositionFeatures { starts: vec![1, 5] };
        let mut record: Vec<f32> = (0..9_u8).map(f32::from).collect();
        RestingError::new(features, [0.5, -0.25, 2.0]).subtract_from(&mut record);
        assert_eq!(record, [0.0, 0.5, 2.25, 1.0, 4.0, 4.5, 6.25, 5.0, 8.0]);
    }
}
