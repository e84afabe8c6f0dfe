//! A policy as C around the interface of a firmware: an out-of-tree controller of the Crazyflie, and the neural controller of
//! `INDIflight`, a fork of Betaflight that knows where it is.
//!
//! Sources: `src/modules/interface/{stabilizer_types.h,controller/controller.h}`, `src/modules/src/stabilizer.c` and
//! `examples/app_out_of_tree_controller` of github.com/bitcraze/crazyflie-firmware (August 2026);
//! `src/main/flight/nn_control.{c,h}` and `src/main/flight/neural_controllers` of github.com/tudelft/indiflight (September
//! 2024). Nothing of theirs is contained.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use eyas_policy::{Contract, Policy};

use crate::{FormatError, c};

const FLIGHT: &str = include_str!("firmware/policy_flight.h");
const CRAZYFLIE: &str = include_str!("firmware/controller.c");
const INDIFLIGHT: [&str; 2] =
    [include_str!("firmware/nn_controller.h"), include_str!("firmware/nn_controller.c")];

/// Time between calls of the Crazyflie's main loop, and the rate at which a policy is called at least, as its own
/// controllers of attitude are.
const CRAZYFLIE_STEP_US: u32 = 1000;
const CRAZYFLIE_RATE_HZ: f64 = 500.0;

/// Bytes of the stack of its stabilizer task, 3 × 150 words, and what its own functions are left.
const CRAZYFLIE_STACK: usize = 1800;
const CRAZYFLIE_OWN_STACK: usize = 700;

/// Bytes that the glue itself has on the stack: the observation beside twice what is remembered.
const GLUE_STACK: usize = 400;

/// A place of a rotor, and the way that it spins there seen from above: the same on both.
const SPINS: [(&str, &str); 4] =
    [("front right", "ccw"), ("back right", "cw"), ("back left", "ccw"), ("front left", "cw")];

/// A firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Firmware {
    /// Bitcraze's, of the Crazyflie.
    Crazyflie,
    /// TU Delft's fork of Betaflight.
    Indiflight,
}

impl Firmware {
    fn name(self) -> &'static str {
        match self {
            Self::Crazyflie => "the Crazyflie's firmware",
            Self::Indiflight => "INDIflight, the Betaflight that flies networks",
        }
    }

    /// Where its motors are, in its order.
    fn motors(self) -> [&'static str; 4] {
        match self {
            Self::Crazyflie => ["front right", "back right", "back left", "front left"],
            Self::Indiflight => ["back right", "front right", "back left", "front left"],
        }
    }

    /// The source file of the policy itself, below the folder.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::Crazyflie => "src/policy.c",
            Self::Indiflight => "neural_network.c",
        }
    }
}

/// Files by their path below the folder, and what each of them is.
pub(crate) type Files = Vec<(PathBuf, String, &'static str)>;

/// A policy for a firmware; what the user has to know goes into the remarks.
///
/// # Errors
///
/// [`FormatError::Inexpressible`] names what the firmware does not measure or command.
pub(crate) fn write(
    folder: &Path,
    firmware: Firmware,
    policy: &Policy,
    contract: &Contract,
    remarks: &mut Vec<String>,
) -> Result<Files, FormatError> {
    let refuse = |what| FormatError::Inexpressible { path: folder.to_owned(), layout: firmware.name(), what };
    let observe = observation(contract).map_err(refuse)?;
    let motors = motors(contract, firmware.motors()).map_err(refuse)?;
    let rate = rate(contract, firmware).map_err(refuse)?;
    let source = Path::new(firmware.source());
    let header = source.with_extension("h");
    let header_name = header.file_name().unwrap_or_default().to_string_lossy();
    let files = c::write_as(("policy", &header_name), policy, contract, c::Weights::Single);
    let filled = |template: &str| {
        template
            .replace("@WRITER@", &contract.writer.replace("*/", ""))
            .replace("@HEADER@", &header_name)
            .replace("@NATIVE_US@", &format!("{:.0}", 1e6 / rate))
            .replace("@CALL_STEPS@", if rate > CRAZYFLIE_RATE_HZ { "1" } else { "2" })
            .replace("@MOTORS@", &motors.map(|element| element.to_string()).join(", "))
            .replace("@OBSERVE@", &observe)
    };
    let stack = files.stack + GLUE_STACK;
    let mut written: Files = vec![
        (header.clone(), files.header, "the policy's header"),
        (source.with_file_name("policy_flight.h"), filled(FLIGHT), "its observation, its rate, its state"),
    ];
    match firmware {
        Firmware::Crazyflie => {
            if stack > CRAZYFLIE_STACK - CRAZYFLIE_OWN_STACK {
                remarks.push(format!(
                    "the policy takes about {stack} bytes of stack, of the {CRAZYFLIE_STACK} that the stabilizer task \
                     has: raise STABILIZER_TASK_STACKSIZE in src/config/config.h"
                ));
            }
            let file = |path: &str, text: &str, what| (PathBuf::from(path), text.to_owned(), what);
            written.extend([
                file("src/controller.c", &filled(CRAZYFLIE), "the controller"),
                file("src/Kbuild", "obj-y += controller.o\nobj-y += policy.o\n", "what is compiled"),
                file("Kbuild", "obj-y += src/\n", "where that lies"),
                file("app-config", APP_CONFIG, "settings of the firmware"),
                file("Makefile", MAKEFILE, "`make CRAZYFLIE_BASE=…` builds the firmware"),
            ]);
        }
        Firmware::Indiflight => {
            let [controller_header, controller] = INDIFLIGHT.map(filled);
            written.extend([
                (PathBuf::from("nn_controller.h"), controller_header, "the controller's header"),
                (PathBuf::from("nn_controller.c"), controller, "the controller"),
            ]);
        }
    }
    // Last: a folder that has the policy has all of it.
    written.push((source.to_owned(), files.source, "the policy"));
    Ok(written)
}

const APP_CONFIG: &str = "CONFIG_APP_ENABLE=y\nCONFIG_APP_PRIORITY=1\nCONFIG_APP_STACKSIZE=350\n\
                          CONFIG_CONTROLLER_OOT=y\nCONFIG_ESTIMATOR_KALMAN_ENABLE=y\n";

const MAKEFILE: &str = "# The checkout of github.com/bitcraze/crazyflie-firmware to build in.\n\
                        CRAZYFLIE_BASE ?= ../crazyflie-firmware\n\nOOT_CONFIG := $(PWD)/app-config\n\n\
                        include $(CRAZYFLIE_BASE)/tools/make/oot.mk\n";

/// Control steps a second.
fn rate(contract: &Contract, firmware: Firmware) -> Result<f64, String> {
    let rate = contract.control_rate_hz.ok_or_else(|| unstated("the rate"))?;
    let most = match firmware {
        Firmware::Crazyflie => 1e6 / f64::from(CRAZYFLIE_STEP_US),
        // Its gyroscope's, of which the network has a share.
        Firmware::Indiflight => 8000.0,
    };
    if rate >= 1.0 && rate <= most {
        Ok(rate)
    } else {
        Err(format!("a policy that steps {rate} times a second: it calls one at most {most} times"))
    }
}

fn unstated(what: &str) -> String {
    format!("a policy of which nothing states {what}: give the task that it was trained on (`--task ID`)")
}

/// The statements that fill the observation, of parts by the beginning of their names.
fn observation(contract: &Contract) -> Result<String, String> {
    let parts = &contract.observation.parts;
    if parts.is_empty() {
        return Err(unstated("the observation"));
    }
    let mut out = String::new();
    let mut first = 0;
    for part in parts {
        let (name, frame) = (part.name.as_str(), part.frame.as_str());
        let vector = |from: &str| match frame {
            "world" => Some(copied(first, 3, from)),
            "body" => Some(turned(first, from)),
            _ => None,
        };
        let statements = match part.width {
            3 if name.starts_with("position") => vector("position"),
            3 if name.starts_with("velocity") => vector("velocity"),
            3 if name.starts_with("angular_velocity") && frame == "body" => {
                Some(copied(first, 3, "angular_velocity"))
            }
            9 if name.starts_with("rotation_matrix") && frame == "world_from_body" => {
                Some(copied(first, 9, "world_from_body"))
            }
            4 if name == "previous_action" => Some(each(first, 4, "told[index]")),
            4 if name == "previous_set_point" => Some(each(first, 4, "0.5f * (told[index] + 1.0f)")),
            _ => None,
        };
        let statements = statements.ok_or_else(|| {
            format!(
                "the feature `{name}` ({} numbers, {frame}): it is told position, rotation_matrix, velocity, \
                 angular_velocity, previous_action and previous_set_point",
                part.width
            )
        })?;
        let _ = write!(out, "    /* {}..{} {name}, {frame} */\n{statements}", first, first + part.width);
        first += part.width;
    }
    Ok(out)
}

fn each(first: usize, count: usize, what: &str) -> String {
    format!(
        "    for (int index = 0; index < {count}; index++) {{\n        observation[{first} + index] = {what};\n    }}\n"
    )
}

fn copied(first: usize, count: usize, from: &str) -> String {
    each(first, count, &format!("measured->{from}[index]"))
}

/// A vector of the world in the body's frame: the columns of `world_from_body` are the body's axes.
fn turned(first: usize, from: &str) -> String {
    let terms = [0, 1, 2].map(|row| {
        let column = if row == 0 { "index".to_owned() } else { format!("{} + index", 3 * row) };
        format!("measured->world_from_body[{column}] * measured->{from}[{row}]")
    });
    each(first, 3, &terms.join("\n            + "))
}

/// Which element of an action each motor of the firmware takes.
fn motors(contract: &Contract, places: [&str; 4]) -> Result<[usize; 4], String> {
    let action = &contract.action;
    let order = action.motor_order.as_ref().ok_or_else(|| unstated("the order of the motors"))?;
    let stated: Vec<&str> = order.split(", ").collect();
    let element = |place: &str| stated.iter().position(|it| *it == place);
    let found = places.map(element);
    let (4, 4, [Some(a), Some(b), Some(c), Some(d)]) = (action.width, stated.len(), found) else {
        return Err(format!("actions that are {order}: it takes a command for each of four rotors"));
    };
    for (place, spin) in SPINS {
        let stated = element(place).and_then(|it| action.spin.as_ref()?.get(it));
        if let Some(other) = stated.filter(|it| *it != spin) {
            return Err(format!("a rotor that turns {other} where its own turns {spin}, {place}"));
        }
    }
    Ok([a, b, c, d])
}
