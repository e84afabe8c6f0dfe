//! The live view is served where it says, shows what happens, and changes nothing.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::program::{TASK, TINY, Workspace};

const UI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../eyas-web/ui");

/// A running program and the address of its live view.
struct Live {
    child: Child,
    url: String,
}

impl Live {
    fn start(workspace: &Workspace, arguments: &str) -> Self {
        let mut child = workspace.eyas(arguments).spawn();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = loop {
            let line = lines.next().expect("the program ended without a live view").unwrap();
            if let Some(url) = line.strip_prefix("[INFO] Live view: ") {
                break url.to_owned();
            }
        };
        // The program must be able to go on printing.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    fn page(&self) -> String {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }

    /// Ctrl-C; returns the exit code.
    fn interrupt(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let code = self.child.wait().unwrap().code();
        assert!(TcpStream::connect(self.url.strip_prefix("http://").unwrap()).is_err());
        code
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // A test that failed leaves no program behind; one that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page that is open in a browser, which says what happens to it line by line.
struct Page {
    node: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Page {
    fn open(url: &str, kind: &str) -> Self {
        let mut node = Command::new("node")
            .args(["test/page.mjs", url, kind])
            .current_dir(UI)
            .env("EYAS_CHROMIUM", chromium().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(node.stdout.take().unwrap()).lines();
        Self { node, lines }
    }

    #[track_caller]
    fn says(&mut self, expected: &str) {
        let line = self.lines.next().map(Result::unwrap);
        assert_eq!(line.as_deref(), Some(expected));
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

/// What is missing to open the page in a browser.
fn missing() -> Option<&'static str> {
    if !Path::new(UI).join("node_modules/playwright-core").is_dir() {
        return Some("npm, and `npm ci` in crates/eyas-web/ui");
    }
    let works = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !works("node") {
        return Some("node");
    }
    if chromium().is_none() { Some("chromium") } else { None }
}

/// The browser's file; Playwright starts it by its path.
fn chromium() -> Option<PathBuf> {
    let name: PathBuf = std::env::var_os("EYAS_CHROMIUM").unwrap_or_else(|| "chromium".into()).into();
    if name.components().count() > 1 {
        return name.is_file().then_some(name);
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(&name)).find(|path| path.is_file())
}

/// Uses the page as a person would.
fn use_page(url: &str, kind: &str) {
    let output = Command::new("node")
        .args(["test/page.mjs", url, kind])
        .current_dir(UI)
        .env("EYAS_CHROMIUM", chromium().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.trim() == "ok", "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_flight_is_served_until_it_is_interrupted() {
    let workspace = Workspace::with_teacher();
    let live = Live::start(
        &workspace,
        &format!("play {TASK} --checkpoint teacher/model_best.pt --num_envs 2 --web 0"),
    );
    assert!(live.url.starts_with("http://127.0.0.1:"), "{}", live.url);
    assert!(live.page().contains("<title>Eyas live view</title>"));
    assert_eq!(live.interrupt(), Some(0));
}

#[test]
fn being_watched_changes_no_student_and_no_model() {
    let student = |arguments: &str| {
        let workspace = Workspace::with_teacher();
        workspace.distill(&format!("{TINY} --experiment_name it --num_envs 8 {arguments}")).succeed();
        let run = workspace.distillation("it");
        ["final_student.pt", "best_student.pt"].map(|name| fs::read(run.join(name)).unwrap())
    };
    assert!(student("") == student("--web 0"), "the live view changed the students");
    let model = |arguments: &str| {
        let workspace = Workspace::empty();
        let settings =
            "--max_iterations 3 --num_envs 32 --experiment_name it agent.algorithm.window_steps=20";
        workspace.eyas(&format!("train {TASK} {settings} {arguments}")).succeed();
        fs::read(workspace.runs("rsl_rl", "it")[0].join("model_3.pt")).unwrap()
    };
    assert!(model("") == model("--web 0"), "the live view changed the model");
}

#[test]
fn what_cannot_be_shown_is_refused_by_name() {
    let workspace = Workspace::with_teacher();
    let play = format!("play {TASK} --checkpoint teacher/model_best.pt");
    workspace
        .eyas(&format!("{play} --web 0 --video"))
        .fail_with(&["`--video`: a live flight is not recorded"]);
    let ended = workspace.eyas(&format!("{play} --web nowhere.example:80")).run();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("expected an address and a port, such as 127.0.0.1:7878"),
        "{}",
        ended.stderr
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    workspace
        .eyas(&format!("{play} --web {address}"))
        .fail_with(&[&format!("cannot listen at {address}"), "hint: another program may"]);
    let many = "20000 envs in a live view, expected 1 to 10000";
    workspace.eyas(&format!("{play} --web 0 --num_envs 20000")).fail_with(&[many]);
    // Refused before the run's folder is made.
    workspace.distill(&format!("{TINY} --web {address}")).fail_with(&["cannot listen"]);
    assert!(!workspace.path("logs").exists());
    fs::create_dir(workspace.path("empty")).unwrap();
    workspace.eyas("view empty").fail_with(&["not the folder of a run", "--> empty"]);
    workspace.eyas("view nothing").fail_with(&["cannot open run directory `nothing`"]);
}

/// It used to wait without a word.
#[test]
fn a_run_without_a_policy_is_said_to_have_none() {
    let workspace = Workspace::empty();
    fs::create_dir_all(workspace.path("run/params")).unwrap();
    fs::write(workspace.path("run/params/env.yaml"), "a: 1\n").unwrap();
    let mut child = workspace.eyas("view run --web 0").spawn_with(Stdio::piped());
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let expected = "[INFO] run has no policy, and nothing trains one: only its numbers are shown";
    assert!(said.any(|line| line == expected), "it says nothing");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_run_flies_its_first_policy_as_soon_as_it_has_one() {
    let it = Workspace::with_teacher();
    let train = "--num_envs 32 --max_iterations 1 --run_dir run agent.algorithm.window_steps=8";
    it.eyas(&format!("train {TASK} {train} -q")).succeed();
    let policies = ["best_model.pt", "model_1.pt"];
    for name in policies {
        fs::rename(it.path("run").join(name), it.path(name)).unwrap();
    }
    let live = Live::start(&it, "view run --web 0");
    let address = live.url.strip_prefix("http://").unwrap();
    let (mut socket, _) = tungstenite::connect(format!("ws://{address}/live")).unwrap();
    let mut told = |kind: &str| loop {
        if let tungstenite::Message::Text(text) = socket.read().unwrap()
            && text.contains(&format!(r#""type":"{kind}""#))
        {
            break text.to_string();
        }
    };
    assert!(!told("scene").contains("best_model.pt"));
    fs::rename(it.path("best_model.pt"), it.path("run/best_model.pt")).unwrap();
    assert!(told("scene").contains("best_model.pt"));
    told("settings");
    assert_eq!(live.interrupt(), Some(0));
}

#[test]
fn the_page_works_in_a_browser() {
    if let Some(missing) = missing() {
        eyas_testing::skip(missing);
        return;
    }
    let workspace = Workspace::with_teacher();
    workspace.distill(&format!("{TINY} --experiment_name it --num_envs 8")).succeed();
    let run = workspace.distillation("it");
    let live = Live::start(&workspace, &format!("view {} --num_envs 4 --web 0", run.display()));
    use_page(&live.url, "view");
    assert_eq!(live.interrupt(), Some(0));
    let live = Live::start(
        &workspace,
        &format!("play {TASK} --checkpoint teacher/model_best.pt --num_envs 9 --web 0"),
    );
    use_page(&live.url, "play");
    assert_eq!(live.interrupt(), Some(0));
}

#[test]
fn a_run_is_watched_while_it_goes_on() {
    if let Some(missing) = missing() {
        eyas_testing::skip(missing);
        return;
    }
    let workspace = Workspace::with_teacher();
    // Longer than the page is looked at: it is interrupted.
    let endless = TINY.replace("--n_epochs 4", "--n_epochs 100000");
    let teacher = "--teacher_checkpoint teacher/model_best.pt";
    let live = Live::start(&workspace, &format!("distill {TASK} {teacher} {endless} --web 0"));
    use_page(&live.url, "run");
    assert_eq!(live.interrupt(), Some(130));
}

#[test]
fn the_page_comes_back_with_the_program() {
    if let Some(missing) = missing() {
        eyas_testing::skip(missing);
        return;
    }
    let workspace = Workspace::with_teacher();
    let play = format!("play {TASK} --checkpoint teacher/model_best.pt --num_envs 2 --web");
    let first = Live::start(&workspace, &format!("{play} 0"));
    let url = first.url.clone();
    let mut page = Page::open(&url, "return");
    page.says("connected");
    assert_eq!(first.interrupt(), Some(0));
    page.says("lost");
    let second = Live::start(&workspace, &format!("{play} {}", url.strip_prefix("http://").unwrap()));
    page.says("ok");
    assert_eq!(second.interrupt(), Some(0));
}

#[test]
fn a_fleet_is_watched_while_it_is_trained() {
    if let Some(missing) = missing() {
        eyas_testing::skip(missing);
        return;
    }
    let workspace = Workspace::empty();
    // More vehicles than are trained while the page is looked at, each accepted after a moment.
    workspace.eyas("vehicles sample --num 1000 --seed 5 --out fleet").succeed();
    let short =
        "--max_iterations 20 agent.algorithm.window_steps=40 agent.eval_interval=10 fleet.eval_episodes=32";
    let accepted = "fleet.required_return=-1000 fleet.max_terminated=1 fleet.max_own_terminated=1";
    let train = format!("train --task Eyas-Raptor-v0 --vehicles fleet {short} {accepted} --web 0");
    let live = Live::start(&workspace, &train);
    use_page(&live.url, "fleet");
    assert_eq!(live.interrupt(), Some(130));
}

#[test]
fn a_policy_that_comes_while_one_flies_can_be_chosen() {
    let workspace = Workspace::with_teacher();
    let live = Live::start(
        &workspace,
        &format!("play {TASK} --checkpoint teacher/model_best.pt --num_envs 2 --web 0"),
    );
    let address = live.url.strip_prefix("http://").unwrap();
    let (mut socket, _) = tungstenite::connect(format!("ws://{address}/live")).unwrap();
    let mut scene = || loop {
        if let tungstenite::Message::Text(text) = socket.read().unwrap()
            && text.contains(r#""type":"scene""#)
        {
            break text.to_string();
        }
    };
    assert!(!scene().contains("later.pt"));
    fs::copy(workspace.path("teacher/model_best.pt"), workspace.path("teacher/later.pt")).unwrap();
    assert!(scene().contains("later.pt"));
    socket.send(r#"{"type":"policy","name":"later.pt"}"#.into()).unwrap();
    loop {
        if let tungstenite::Message::Text(text) = socket.read().unwrap()
            && text.contains(r#""type":"settings""#)
            && text.contains("later.pt")
        {
            break;
        }
    }
    assert_eq!(live.interrupt(), Some(0));
}
