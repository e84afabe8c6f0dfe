//! What server and page say to each other.
//!
//! Everything is JSON with a field `type`, but poses, which are binary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What flies, and what a viewer may do to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Scene {
    /// What is going on, such as `play`.
    pub activity: String,
    /// The task.
    pub task: String,
    /// What the steps of the curves count, such as `epoch`.
    pub step_unit: String,
    /// What flies; none where only numbers are shown.
    pub vehicle: Option<Vehicle>,
    /// Sliders.
    pub controls: Vec<Control>,
    /// Whether vehicles can be pushed.
    pub can_push: bool,
    /// Trajectories to choose from.
    pub trajectories: Vec<String>,
    /// Policies to choose from.
    pub policies: Vec<String>,
}

/// What a vehicle looks like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Vehicle {
    /// Its name.
    pub name: String,
    /// Rotor hubs, body frame, m.
    pub rotor_positions: [[f32; 3]; 4],
    /// Unit vectors of thrust, body frame.
    pub rotor_axes: [[f32; 3]; 4],
    /// Names of the rotors.
    pub rotor_names: [String; 4],
    /// Envs that are flown at once.
    pub num_envs: usize,
    /// Vehicles of each env, which follow each other in [`Poses`].
    pub num_vehicles: usize,
}

/// A slider.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Control {
    /// Its key in a [`Request`].
    pub name: String,
    /// What stands beside it.
    pub label: String,
    /// Unit of its numbers.
    pub unit: String,
    /// Least number.
    pub min: f64,
    /// Largest number.
    pub max: f64,
    /// From one number to the next.
    pub step: f64,
    /// The number that changes nothing.
    pub neutral: f64,
}

/// How the sliders and selectors stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Settings {
    /// Number of each control.
    pub values: BTreeMap<String, f64>,
    /// The trajectory that is flown.
    pub trajectory: String,
    /// The policy that flies.
    pub policy: String,
}

/// What a viewer asks for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Moves a slider.
    Set {
        /// [`Control::name`].
        control: String,
        /// Where to; within the control's range.
        value: f64,
    },
    /// Pushes all vehicles once.
    Push {},
    /// Starts all vehicles anew along another trajectory.
    Trajectory {
        /// One of [`Scene::trajectories`].
        name: String,
    },
    /// Starts all vehicles anew with another policy.
    Policy {
        /// One of [`Scene::policies`].
        name: String,
    },
}

impl Request {
    /// Reads a message of a viewer of `scene`; what it cannot ask for is an error in words.
    pub(crate) fn parse(text: &str, scene: &Scene) -> Result<Self, String> {
        let request: Self = serde_json::from_str(text).map_err(|error| format!("not understood: {error}"))?;
        request.check(scene)?;
        Ok(request)
    }

    fn check(&self, scene: &Scene) -> Result<(), String> {
        let one_of = |what: &str, name: &str, known: &[String]| {
            if known.iter().any(|it| it == name) { Ok(()) } else { Err(format!("no such {what} here")) }
        };
        match self {
            Self::Set { control, value } => {
                let control = scene.controls.iter().find(|it| it.name == *control);
                let control = control.ok_or("no such control here")?;
                if (control.min..=control.max).contains(value) {
                    return Ok(());
                }
                Err(format!("`{}` goes from {} to {}", control.name, control.min, control.max))
            }
            Self::Push {} if scene.can_push => Ok(()),
            Self::Push {} => Err("nothing can be pushed here".into()),
            Self::Trajectory { name } => one_of("trajectory", name, &scene.trajectories),
            Self::Policy { name } => one_of("policy", name, &scene.policies),
        }
    }
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Progress {
    /// What is counted, such as `epoch`.
    pub unit: String,
    /// How many are done.
    pub position: u64,
    /// How many there will be.
    pub total: u64,
    /// How long it will take to the end, s; none where that is not known.
    pub left_s: Option<f64>,
}

/// Columns of a file, as they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Cells of each row.
    pub rows: Vec<Vec<String>>,
}

/// A matrix to show as colours.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HeatMap {
    /// What the numbers are, with their unit.
    pub quantity: String,
    /// What a row is.
    pub row_label: String,
    /// What a column is.
    pub column_label: String,
    /// Names of the rows.
    pub rows: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Numbers of each row; null where there is none.
    pub values: Vec<Vec<Option<f32>>>,
}

/// Documents of which the newest of each name is shown.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Document<'a> {
    Scene(&'a Scene),
    Settings(&'a Settings),
    Progress(&'a Progress),
    Text {
        name: &'a str,
        text: &'a str,
    },
    Table {
        name: &'a str,
        #[serde(flatten)]
        table: &'a Table,
    },
    HeatMap {
        name: &'a str,
        #[serde(flatten)]
        map: &'a HeatMap,
    },
    Error {
        message: &'a str,
    },
}

impl Document<'_> {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers and lists are JSON")
    }
}

/// One vehicle at one moment, world frame relative to its spawn point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VehiclePose {
    /// Position, m.
    pub position: [f32; 3],
    /// Orientation `w, x, y, z`, body to world.
    pub orientation: [f32; 4],
    /// Where it should be, m.
    pub target: [f32; 3],
}

/// All vehicles at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Poses {
    /// Seconds that were flown.
    pub time_s: f64,
    /// Flown seconds for each second of the clock.
    pub speed: f32,
    /// Episodes that ended by a crash.
    pub crashes: u32,
    /// Episodes that were started.
    pub episodes: u32,
    /// The vehicles.
    pub vehicles: Vec<VehiclePose>,
}

impl Poses {
    /// Little-endian: time as `f64`; speed as `f32`; crashes, episodes and the number of vehicles as `u32`; ten `f32`
    /// for each vehicle.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24 + 40 * self.vehicles.len());
        bytes.extend(self.time_s.to_le_bytes());
        bytes.extend(self.speed.to_le_bytes());
        for count in [self.crashes, self.episodes, self.vehicles.len() as u32] {
            bytes.extend(count.to_le_bytes());
        }
        for vehicle in &self.vehicles {
            let VehiclePose { position, orientation, target } = vehicle;
            for number in position.iter().chain(orientation).chain(target) {
                bytes.extend(number.to_le_bytes());
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_checked_against_the_scene() {
        let control = |name: &str| Control {
            name: name.into(),
            label: String::new(),
            unit: "%".into(),
            min: 0.0,
            max: 50.0,
            step: 1.0,
            neutral: 0.0,
        };
        let scene =
            Scene { controls: vec![control("wind")], policies: vec!["a.pt".into()], ..Scene::default() };
        let parse = |text: &str| Request::parse(text, &scene);
        let set = Request::Set { control: "wind".into(), value: 50.0 };
        assert_eq!(parse(r#"{"type":"set","control":"wind","value":50}"#), Ok(set));
        assert_eq!(parse(r#"{"type":"policy","name":"a.pt"}"#), Ok(Request::Policy { name: "a.pt".into() }));
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"type":"set","control":"wind","value":50.1}"#,
            r#"{"type":"set","control":"wind","value":null}"#,
            r#"{"type":"set","control":"wind","value":1e999}"#,
            r#"{"type":"set","control":"mass","value":1}"#,
            r#"{"type":"push"}"#,
            r#"{"type":"policy","name":"../../etc/passwd"}"#,
            r#"{"type":"trajectory","name":"hover"}"#,
            r#"{"type":"set","control":"wind","value":1,"more":2}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn poses_are_forty_bytes_each() {
        let pose = VehiclePose { position: [1.0, 2.0, 3.0], ..VehiclePose::default() };
        let bytes = Poses { crashes: 7, vehicles: vec![pose; 3], ..Poses::default() }.to_bytes();
        assert_eq!(bytes.len(), 24 + 3 * 40);
        assert_eq!(bytes[12..16], 7_u32.to_le_bytes());
        assert_eq!(bytes[20..24], 3_u32.to_le_bytes());
        assert_eq!(bytes[24 + 40 + 4..][..4], 2.0_f32.to_le_bytes());
    }
}
