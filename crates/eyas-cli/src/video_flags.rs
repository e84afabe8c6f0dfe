//! Which videos the flags ask for, and what is said of them.

use eyas::Failure;
use eyas::video::{Format, INTERVAL, LENGTH, MAX_SHARE, Recorded, Trigger, VideoPlan};
use eyas_view::View;

use crate::arguments::Video;
use crate::print::say;

/// What a command records if its flags leave it open.
#[derive(Clone, Copy)]
pub(crate) struct Defaults {
    pub(crate) view: View,
    pub(crate) num_envs: usize,
}

/// The plan of the flags; none without `--video`.
pub(crate) fn plan_of(video: &Video, defaults: Defaults) -> Result<Option<VideoPlan>, Failure> {
    if !video.video {
        return Ok(None);
    }
    let trigger = match video.video_trigger.as_deref() {
        None | Some("step") => Trigger::Step,
        Some("episode") => Trigger::Episode,
        Some(other) => {
            return Err(Failure::new(format!(
                "`--video_trigger {other}`: unknown, expected step or episode"
            )));
        }
    };
    let view = match video.video_view.as_deref() {
        None => defaults.view,
        Some("chase") => View::Chase,
        Some("fixed") => View::Fixed,
        Some("orbit") => View::Orbit,
        Some("top") => View::Top,
        Some(other) => {
            return Err(Failure::new(format!(
                "`--video_view {other}`: unknown, expected chase, fixed, orbit or top"
            )));
        }
    };
    // Who says which videos are due means these.
    let is_chosen = video.video_interval.is_some() || video.video_trigger.is_some();
    let default = VideoPlan::default();
    let plan = VideoPlan {
        length: video.video_length.or((trigger == Trigger::Step).then_some(LENGTH)),
        interval: video.video_interval.map_or(if trigger == Trigger::Step { INTERVAL } else { 1 }, u64::from),
        trigger,
        view,
        size: video.video_size.unwrap_or(default.size),
        format: match video.video_format.as_deref() {
            None | Some("mp4") => Format::Mp4,
            Some("png") => Format::AnimatedPng,
            Some(other) => {
                return Err(Failure::new(format!("`--video_format {other}`: unknown, expected mp4 or png")));
            }
        },
        num_envs: video.video_envs.unwrap_or(defaults.num_envs),
        max_share: video.video_max_share.unwrap_or(if is_chosen { 1.0 } else { MAX_SHARE }),
    };
    plan.validate()?;
    Ok(Some(plan))
}

/// Says what a run has recorded.
pub(crate) fn say_recorded(recorded: &Recorded) -> Result<(), Failure> {
    let Recorded { folder, count, seconds, left_out, max_share } = recorded;
    say(format!("[INFO] Recorded {} in {seconds:.1} s: {}", videos_of(*count), folder.display()))?;
    if *left_out > 0 {
        let share = 100.0 * max_share;
        say(format!(
            "[INFO] {left_out} more were due and left out, so that recording takes at most {share} % of the time; `--video_max_share 1` records all"
        ))?;
    }
    Ok(())
}

/// A number of videos in words.
pub(crate) fn videos_of(count: usize) -> String {
    if count == 1 { "1 video".into() } else { format!("{count} videos") }
}
