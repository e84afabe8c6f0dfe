//! Tasks by id.

/// Id of the point-control task.
pub const POINT_TASK: &str = "Isaac-Quadcopter-Point-Ctrl-v0";
/// Id of Isaac Lab's quadcopter task.
pub const DIRECT_TASK: &str = "Isaac-Quadcopter-Direct-v0";
/// Id of the RAPTOR environment.
pub const RAPTOR_TASK: &str = "Eyas-Raptor-v0";
/// Id of the task that a YAML file of terms makes, and of the one that comes with the program.
pub const MANAGER_TASK: &str = "Eyas-Quadcopter-Manager-v0";
/// Id of the formation task.
pub const FORMATION_TASK: &str = "Eyas-Quadcopter-Formation-v0";

/// A registered task.
#[derive(Clone, Copy, Debug)]
pub struct TaskInfo {
    /// Its id.
    pub id: &'static str,
    /// Other ids it goes by.
    pub aliases: &'static [&'static str],
    /// One sentence.
    pub summary: &'static str,
}

const TASKS: &[TaskInfo] = &[
    TaskInfo {
        id: POINT_TASK,
        aliases: &["point_ctrl_single_dense", "distillation"],
        summary: "hover at a point or follow a randomly moving one, by motor set-points",
    },
    TaskInfo {
        id: DIRECT_TASK,
        aliases: &["quadcopter_direct"],
        summary: "fly to a goal, by thrust and body moments",
    },
    TaskInfo {
        id: RAPTOR_TASK,
        aliases: &["raptor"],
        summary: "any quadrotor holds a point or follows a slow reference, by motor set-points",
    },
    TaskInfo {
        id: MANAGER_TASK,
        aliases: &["manager"],
        summary: "the point task, made of terms by a YAML file that one can copy and change",
    },
    TaskInfo {
        id: FORMATION_TASK,
        aliases: &["formation"],
        summary: "several vehicles hold a formation around a resting or moving point, by motor set-points",
    },
];

/// No task has that id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown task `{id}`, known: {}", known_ids())]
pub struct UnknownTask {
    /// What was asked for.
    pub id: String,
}

fn known_ids() -> String {
    let ids: Vec<&str> =
        TASKS.iter().flat_map(|task| std::iter::once(task.id).chain(task.aliases.iter().copied())).collect();
    ids.join(", ")
}

/// Every task.
#[must_use]
pub fn tasks() -> &'static [TaskInfo] {
    TASKS
}

/// The task of that id or alias.
pub fn find_task(id: &str) -> Result<TaskInfo, UnknownTask> {
    TASKS
        .iter()
        .find(|task| task.id == id || task.aliases.contains(&id))
        .copied()
        .ok_or_else(|| UnknownTask { id: id.to_owned() })
}
