//! Who reads what a command says may stop reading.

use std::io::Read as _;
use std::process::Stdio;

use crate::program::{TASK, Workspace};

#[test]
fn a_reader_of_stdout_that_stops_ends_a_command_quietly() {
    let it = Workspace::empty();
    let train = format!("train {TASK} --max_iterations 3 --num_envs 32");
    for command in ["config list", &train] {
        let mut child = it.eyas(command).spawn_with(Stdio::piped());
        drop(child.stdout.take());
        let mut talk = String::new();
        child.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
        assert_eq!((child.wait().unwrap().code(), talk.as_str()), (Some(141), ""), "{command}");
    }
}

#[test]
fn a_command_that_nobody_listens_to_does_its_work() {
    let it = Workspace::empty();
    let mut child = it.eyas("vehicles sample --num 2 --out fleet").spawn_with(Stdio::piped());
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
    let mut child = it.eyas("vehicles sample --num 0 --out none").spawn_with(Stdio::piped());
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}
