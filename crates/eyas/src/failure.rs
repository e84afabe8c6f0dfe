//! How a command fails: one message, its causes, where, and what to do.

use std::error::Error;
use std::fmt::{self, Display};
use std::path::Path;

use eyas_learn::NotFinite;
use eyas_learn::distill::FitError;

use crate::black_box::{self, BLACK_BOX};

/// What helps where learning diverged.
const SMALLER_STEPS: &str = "a smaller learning rate or a smaller `max_grad_norm` is the usual cure";

/// What makes the numbers of a flight too large.
const OF_FLIGHT: &str = "a policy whose weights are huge, or a vehicle that the control period is too long for, is the usual cause";

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    error: Box<dyn Error + Send + Sync>,
    place: Option<String>,
    hint: Option<String>,
}

impl Failure {
    /// What was wrong.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), place: None, hint: None }
    }

    /// Says what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to do unless that is said already.
    pub fn hint_or(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Says where unless that is said already.
    pub fn or_at(mut self, place: &impl ToString) -> Self {
        self.place.get_or_insert_with(|| place.to_string());
        self
    }

    /// Says where.
    pub fn at(mut self, place: &impl ToString) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// Says of what.
    pub fn of(self, what: &str) -> Self {
        Self { error: format!("{what}: {}", self.error).into(), ..self }
    }

    /// Whether a number was not finite.
    pub(crate) fn is_not_finite(&self) -> bool {
        self.error.is::<NotFinite>()
    }

    /// Where a run was when a number turned out not to be finite, and what it can go on from; nothing where that was not
    /// what failed. The black box is left in a file.
    pub(crate) fn not_finite_in(
        self,
        (moment, seed): (&str, u64),
        black_box: &Path,
        last_checkpoint: Option<&Path>,
    ) -> Self {
        let checkpoint = match last_checkpoint {
            Some(path) => format!("the last good checkpoint is {}; {SMALLER_STEPS}", path.display()),
            None => format!("no checkpoint was written before it; {SMALLER_STEPS}"),
        };
        self.not_finite((moment, seed), black_box, &checkpoint)
    }

    /// The same of a flight that nothing learns from, in the words of whoever flies; its black box is left in a folder.
    pub fn not_finite_in_flight(self, (flight, seed): (&str, u64), folder: &Path) -> Self {
        self.not_finite((flight, seed), &folder.join(BLACK_BOX), OF_FLIGHT)
    }

    fn not_finite(self, (moment, seed): (&str, u64), black_box: &Path, advice: &str) -> Self {
        let Some(error) = self.error.downcast_ref::<NotFinite>() else { return self };
        let kept = black_box::keep(error, black_box);
        let hint: Vec<&str> = kept.as_deref().into_iter().chain([advice]).collect();
        Self::new(format!("{moment} with seed {seed}: {error}")).hint(hint.join("; "))
    }

    /// Where, if that is known.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// What to do, if there is advice.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What was wrong; its `source` is what caused it.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.error.as_ref()
    }
}

impl Display for Failure {
    /// The message alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl From<eyas_formats::FormatError> for Failure {
    fn from(error: eyas_formats::FormatError) -> Self {
        let hint = error.hint();
        Self { hint, ..Self::new(error) }
    }
}

impl From<eyas_vehicles::FleetError> for Failure {
    fn from(error: eyas_vehicles::FleetError) -> Self {
        Self::new(error.problem).at(&error.path.display())
    }
}

impl From<eyas_run::ConfigError> for Failure {
    fn from(error: eyas_run::ConfigError) -> Self {
        let (hint, place) = (error.hint(), error.origin().map(|origin| origin.to_string()));
        Self { hint, place, error: error.into() }
    }
}

impl From<eyas_run::RunError> for Failure {
    fn from(error: eyas_run::RunError) -> Self {
        let hint = error.hint();
        Self { hint, ..Self::new(error) }
    }
}

impl From<eyas_learn::Misfit> for Failure {
    fn from(error: eyas_learn::Misfit) -> Self {
        let hint =
            "`eyas inspect FILE` shows what a checkpoint holds, `eyas task show` what the task provides";
        Self::new(error).hint(hint)
    }
}

impl From<NotFinite> for Failure {
    fn from(error: NotFinite) -> Self {
        let hint = match error {
            NotFinite::Flown { .. } => OF_FLIGHT,
            _ => SMALLER_STEPS,
        };
        Self::new(error).hint(hint)
    }
}

impl From<FitError> for Failure {
    fn from(error: FitError) -> Self {
        match error {
            FitError::NotFinite(error) => error.into(),
            FitError::Device { message, hint } => Self::new(message).hint(hint),
            other => Self::new(other),
        }
    }
}

impl From<eyas_policy::Untrainable> for Failure {
    fn from(error: eyas_policy::Untrainable) -> Self {
        Self::new(error)
    }
}

impl From<eyas_view::VideoError> for Failure {
    fn from(error: eyas_view::VideoError) -> Self {
        Self::new(error).hint("give a smaller `--video_length`, or leave out `--video`")
    }
}

impl From<eyas_env::UnknownTask> for Failure {
    fn from(error: eyas_env::UnknownTask) -> Self {
        Self::new(error).hint("`eyas task list` describes them")
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}
