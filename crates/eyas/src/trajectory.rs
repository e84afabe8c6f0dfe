//! What a reference does, by name or by file.

use std::path::Path;

use eyas_run::config::Value;
use eyas_sim::{SamplesConfig, Vector};

use crate::csv::Table;
use crate::failure::Failure;
use crate::flyable::Settings;
use crate::tasks::AnyTask;

/// A trajectory of a task, by default the last that it has: its name and the settings that select it.
///
/// # Panics
///
/// If the task flies no trajectory.
pub fn find(task: &dyn AnyTask, asked: Option<&str>) -> Result<(String, Settings), Failure> {
    let mut trajectories = task.trajectories();
    let Some(asked) = asked else {
        let (name, settings) = trajectories.pop().expect("every task flies something");
        return Ok((name.to_owned(), settings));
    };
    if let Some((name, settings)) = trajectories.iter().find(|(name, _)| *name == asked) {
        return Ok(((*name).to_owned(), settings.clone()));
    }
    let path = Path::new(asked);
    if path.extension().is_some_and(|it| it == "csv") {
        let mut settings = task.along("samples");
        settings.push(("env.course.samples", Value::of(&samples(path)?).map_err(Failure::new)?));
        return Ok((asked.to_owned(), settings));
    }
    let names: Vec<&str> = trajectories.iter().map(|(name, _)| *name).collect();
    Err(Failure::new(format!(
        "`--trajectory {asked}`: unknown, task `{}` flies {}",
        task.id(),
        names.join(", ")
    ))
    .hint("give one of them, or a file `.csv` of times and positions"))
}

/// Reads `time_s,x_m,y_m,z_m` and, where they are there, `vx_m_s,vy_m_s,vz_m_s`; other columns are not looked at.
fn samples(path: &Path) -> Result<SamplesConfig, Failure> {
    let table = Table::read(path)?;
    let column = |name: &str| -> Result<Vec<f64>, Failure> {
        let numbers = table.numbers(name)?.into_iter().enumerate();
        let number = |(row, it): (usize, Option<f64>)| match it {
            // Vehicles fly in single precision.
            Some(number) if (number as f32).is_finite() => Ok(number),
            Some(number) => {
                let message = format!("`{number:e}` in column `{name}` is not a finite number of 32 bits");
                Err(Failure::new(message).at(&table.place(row)))
            }
            None => Err(Failure::new(format!("no number in column `{name}`")).at(&table.place(row))),
        };
        numbers.map(number).collect()
    };
    let vectors = |names: [&str; 3]| -> Result<Vec<Vector<f64>>, Failure> {
        let [x, y, z] = [column(names[0])?, column(names[1])?, column(names[2])?];
        Ok(x.into_iter().zip(y).zip(z).map(|((x, y), z)| [x, y, z]).collect())
    };
    let times_s = column("time_s")?;
    if times_s.len() < 2 {
        return Err(Failure::new("one sample, expected at least 2").at(&path.display()));
    }
    if let Some(row) = (1..times_s.len()).find(|row| times_s[*row] <= times_s[row - 1]) {
        let message =
            format!("`time_s` = {} after {}, expected times that ascend", times_s[row], times_s[row - 1]);
        return Err(Failure::new(message).at(&table.place(row)));
    }
    let velocities = ["vx_m_s", "vy_m_s", "vz_m_s"];
    let has_some = table.names().iter().any(|name| velocities.contains(&name.as_str()));
    Ok(SamplesConfig {
        positions_m: vectors(["x_m", "y_m", "z_m"])?,
        velocities_m_s: if has_some { vectors(velocities)? } else { Vec::new() },
        times_s,
    })
}
