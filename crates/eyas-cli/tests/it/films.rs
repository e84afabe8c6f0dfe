//! Videos are written where the original writes them, play in a browser, and change nothing else.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use eyas_formats::npy;

use crate::program::{TASK, TINY, Workspace, assert_in_order, files};

/// Width, height, duration in ms and frames that a file states.
fn stated(path: &Path) -> [u32; 4] {
    let bytes = fs::read(path).unwrap();
    assert_eq!(&bytes[4..8], b"ftyp");
    let place = |name: &[u8]| bytes.windows(4).position(|it| it == name).unwrap() + 4;
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let (movie, track, sizes) = (place(b"mvhd"), place(b"tkhd"), place(b"stsz"));
    assert!(place(b"avcC") > place(b"moov") && place(b"mdat") > place(b"moov"));
    let duration = u64::from(word(movie + 16)) * 1000 / u64::from(word(movie + 12));
    [word(track + 76) >> 16, word(track + 80) >> 16, duration as u32, word(sizes + 8)]
}

#[test]
fn a_distillation_is_recorded_and_its_students_are_the_same() {
    let student = |arguments: &str| {
        let workspace = Workspace::with_teacher();
        let run = format!("{TINY} --experiment_name it --num_envs 8 {arguments}");
        let said = workspace.distill(&run).succeed();
        let run = workspace.distillation("it");
        let students = ["final_student.pt", "best_student.pt"].map(|name| fs::read(run.join(name)).unwrap());
        (workspace, run, students, said)
    };
    let (_plain_folder, plain_run, plain, _) = student("");
    assert!(!plain_run.join("videos").exists());
    // 100 control steps an epoch, four epochs.
    let video = "--video --video_length 20 --video_interval 200";
    let (_folder, run, recorded, said) = student(video);
    assert!(plain == recorded, "recording changed the students");
    let folder = run.join("videos/distillation");
    // Who gives the interval means it: no share of the time limits these.
    let expected = ["best", "step-0", "step-200", "step-400"].map(|name| format!("rl-video-{name}.mp4"));
    assert_eq!(files(&folder), expected);
    assert_eq!(stated(&folder.join("rl-video-step-200.mp4")), [1280, 720, 200, 10]);
    assert!(said.contains("[INFO] Recorded 4 videos in "), "{said}");
    // A recurrent student is recorded with its hidden state.
    let recurrent = "--student gru distill.student.rnn_hidden_dim=8";
    let plain = student(recurrent).2;
    assert!(plain == student(&format!("{recurrent} {video}")).2, "recording changed the recurrent students");
}

#[test]
fn a_training_is_recorded_and_its_model_is_the_same() {
    for algorithm in
        ["--algorithm ppo agent.num_steps_per_env=8", "--algorithm apg agent.algorithm.window_steps=20"]
    {
        let model = |arguments: &str| {
            let workspace = Workspace::empty();
            let settings = "--max_iterations 3 --num_envs 32 --experiment_name it";
            workspace.eyas(&format!("train {TASK} {settings} {algorithm} {arguments}")).succeed();
            let run = workspace.runs("rsl_rl", "it").remove(0);
            let bytes = fs::read(run.join("model_3.pt")).unwrap();
            (workspace, run, bytes)
        };
        let (_folder, run, recorded) = model("--video --video_length 10");
        assert!(model("").2 == recorded, "{algorithm}: recording changed the model");
        let folder = run.join("videos/train");
        assert_eq!(files(&folder), ["rl-video-best.mp4", "rl-video-step-0.mp4"]);
        assert_eq!(stated(&folder.join("rl-video-step-0.mp4")), [1280, 720, 100, 5]);
    }
}

/// Flies the teacher and returns the folder of videos.
fn played(workspace: &Workspace, arguments: &str) -> PathBuf {
    let play = "--checkpoint teacher/model_best.pt --experiment_name it --quiet";
    workspace.eyas(&format!("play {TASK} {play} {arguments}")).succeed();
    workspace.runs("rsl_rl", "it").remove(0).join("videos/play")
}

#[test]
fn a_flight_is_recorded_by_steps_or_by_episodes() {
    let workspace = Workspace::with_teacher();
    let folder = played(&workspace, "--max_steps 50 --video --video_length 20 --video_interval 30");
    assert_eq!(files(&folder), ["rl-video-step-0.mp4", "rl-video-step-30.mp4"]);
    assert_eq!(stated(&folder.join("rl-video-step-30.mp4")), [1280, 720, 200, 10]);

    let workspace = Workspace::with_teacher();
    let folder =
        played(&workspace, "--max_steps 12 --num_envs 3 --video --video_trigger episode --video_interval 2");
    let expected = ["0.meta.json", "0.mp4", "2.meta.json", "2.mp4"];
    assert_eq!(files(&folder), expected.map(|end| format!("rl-video-episode-{end}")));
    let meta = fs::read_to_string(folder.join("rl-video-episode-2.meta.json")).unwrap();
    assert_eq!(meta, r#"{"step_id":0,"episode_id":2,"content_type":"video/mp4"}"#);
}

#[test]
fn many_vehicles_fly_side_by_side_from_the_same_start() {
    let workspace = Workspace::with_teacher();
    let play = "play --task Eyas-Raptor-v0 --experiment_name it --quiet --trajectory hover --max_steps 20";
    let student = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/students/raptor.pt");
    let teacher =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/teachers/raptor/teacher_0045/vehicle.json");
    let said = workspace
        .eyas(&format!("{play} --checkpoint {student} --vehicles crazyflie,x500,{teacher}"))
        .and("env.init.guidance=0 env.init.max_position=0.4")
        .and("--video --video_format png --video_size 480x160 --video_view fixed --video_length 20")
        .succeed();
    assert_in_order(&said, &["   crazyflie ", "        x500 ", "vehicle 0045 "]);
    let run = workspace.runs("rsl_rl", "it").remove(0);
    assert_eq!(files(&run.join("videos/play")), ["rl-video-step-0.png"]);
    let bytes = fs::read(run.join("videos/play/rl-video-step-0.png")).unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.windows(4).any(|it| it == b"acTL"));
    // After a step of 10 ms they have hardly left a start that is the same for all.
    let arrays = npy::read_npz(&run.join("trajectory_data.npz")).unwrap();
    let data = arrays.iter().find(|(name, _)| name == "actual_pos").unwrap().1.to_f32();
    for axis in 0..3 {
        for vehicle in 1..3 {
            assert!((data[3 * vehicle + axis] - data[axis]).abs() < 0.005, "{:?}", &data[..9]);
        }
    }
    workspace.eyas(&format!("{play} --checkpoint {student} --vehicles crazyfly")).fail_with(&[
        "`--vehicles crazyfly`: neither a vehicle nor a file",
        "hint: ",
        "crazyflie",
    ]);
    workspace
        .eyas(&format!("play {TASK} --checkpoint teacher/model_best.pt --vehicles x500"))
        .fail_with(&["`--vehicles`: task `Isaac-Quadcopter-Point-Ctrl-v0` has a vehicle of its own"]);
}

#[test]
fn flags_that_make_no_video_are_errors() {
    let workspace = Workspace::with_teacher();
    for (flags, message) in [
        ("--video --video_length 0", "`--video_length` is 0, expected at least 1 step"),
        ("--video --video_interval 0", "`--video_interval` is 0, expected at least 1"),
        ("--video --video_envs 65", "`--video_envs` is 65, expected a number from 1 to 64"),
        ("--video --video_max_share 2", "`--video_max_share` is 2, expected a share in [0, 1]"),
        ("--video --video_view side", "`--video_view side`: unknown, expected chase, fixed, orbit or top"),
        ("--video --video_format gif", "`--video_format gif`: unknown, expected mp4 or png"),
        ("--video --video_size 641x360", "`--video_size` is 641x360, expected even numbers from 64 to 4096"),
        ("--video --video_trigger epoch", "`--video_trigger epoch`: unknown, expected step or episode"),
    ] {
        workspace.distill(flags).fail_with(&[message]);
    }
    let train = format!("train {TASK} --video --video_trigger episode");
    workspace.eyas(&train).fail_with(&["`--video_trigger episode`: training counts steps", "hint: "]);
    let eval = format!("eval {TASK} --checkpoint teacher/model_best.pt --video");
    workspace.eyas(&eval).fail_with(&["`--video`: an evaluation records none", "hint: "]);
    assert!(!workspace.path("logs").exists());
}

/// It used to end without a file; a flight of this length has 10,000 frames.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_video_of_a_flight_with_a_whole_file() {
    let workspace = Workspace::with_teacher();
    let play = "--checkpoint teacher/model_best.pt --experiment_name it --num_envs 4 --max_steps 20000 \
                --video --video_length 20000 --video_interval 20000";
    let mut child = workspace.eyas(&format!("play {TASK} {play}")).spawn_with(Stdio::null());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("Tracking data saved to: ")), "statistics come first");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let folder = workspace.runs("rsl_rl", "it").remove(0).join("videos/play");
    let videos = files(&folder);
    let [video] = &videos[..] else { panic!("one video was expected: {videos:?}") };
    let [_, _, duration, frames] = stated(&folder.join(video));
    assert!((1..10_000).contains(&frames), "{frames} frames");
    assert_eq!(duration, 20 * frames, "50 frames a second");
}

/// Plays a video given as a data address, draws a frame and asks the server for an address that says what it saw.
const PAGE: &str = r#"<!doctype html><video id="video" muted preload="auto" src="data:video/mp4;base64,DATA"></video>
<script>
const video = document.getElementById("video");
const say = (words) => fetch("/seen/" + words.join("/"));
video.onerror = () => say(["error", encodeURIComponent(video.error.message)]);
video.onloadeddata = () => { video.currentTime = 0.1; };
video.onseeked = () => {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0, low = 255, high = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    sum += pixels[i + 1]; low = Math.min(low, pixels[i + 1]); high = Math.max(high, pixels[i + 1]);
  }
  const mean = sum / (pixels.length / 4);
  say([canvas.width, canvas.height, video.duration.toFixed(3),
    mean > 128 && mean < 250 ? "bright" : mean, high - low > 150 ? "clear" : high - low]);
};
</script>"#;

/// Serves a page until a browser asks for an address below `/seen/`; returns the rest of that address.
fn serve(listener: &TcpListener, page: &str) -> String {
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        let path = line.split(' ').nth(1).unwrap_or_default();
        let body = if path == "/" { page } else { "" };
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n", body.len());
        // A browser may hang up on what it no longer wants.
        let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
        if let Some(seen) = path.strip_prefix("/seen/") {
            return seen.to_owned();
        }
    }
}

#[test]
fn chromium_plays_it() {
    let chromium = std::env::var_os("EYAS_CHROMIUM").unwrap_or_else(|| "chromium".into());
    if Command::new(&chromium).arg("--version").output().is_err() {
        eyas_testing::skip("chromium");
        return;
    }
    let workspace = Workspace::with_teacher();
    let folder = played(&workspace, "--max_steps 40 --video --video_length 40");
    let video = fs::read(folder.join("rl-video-step-0.mp4")).unwrap();
    let page = PAGE.replace("DATA", &base64(&video));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let mut browser = Command::new(&chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--no-proxy-server"])
        .arg(format!("--user-data-dir={}", workspace.path("profile").display()))
        .arg("--remote-debugging-port=0")
        .arg(address)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(serve(&listener, &page)));
    let seen = receiver.recv_timeout(Duration::from_mins(2));
    browser.kill().unwrap();
    browser.wait().unwrap();
    assert_eq!(seen.as_deref(), Ok("1280/720/0.400/bright/clear"));
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 4);
    for chunk in bytes.chunks(3) {
        let three = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let word = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for digit in 0..4 {
            let is_padding = digit > chunk.len();
            let index = (word >> (18 - 6 * digit) & 63) as usize;
            text.push(if is_padding { '=' } else { char::from(DIGITS[index]) });
        }
    }
    text
}
