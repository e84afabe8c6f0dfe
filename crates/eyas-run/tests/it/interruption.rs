use eyas_run::Interrupt;

#[test]
fn a_trigger_reaches_every_clone() {
    let interrupt = Interrupt::new();
    let seen_by_worker = interrupt.clone();
    assert!(!seen_by_worker.interrupted());
    interrupt.trigger();
    interrupt.trigger(); // only a second signal ends the process
    assert!(seen_by_worker.interrupted());
}

#[cfg(unix)]
mod signals {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::Interrupt;

    /// Set for the test process that is to be interrupted.
    const CHILD: &str = "EYAS_TEST_INTERRUPT_CHILD";

    /// Not a test of its own: the process that the tests below start and signal.
    #[test]
    #[expect(clippy::print_stdout, reason = "the parent process reads it")]
    fn child() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let interrupt = Interrupt::install().unwrap();
        assert!(Interrupt::install().is_err());
        println!("\nready");
        while !interrupt.interrupted() {
            std::thread::yield_now();
        }
        println!("\nstopping");
        loop {
            std::thread::park(); // never finishes by itself
        }
    }

    /// Not a test of its own either: it stops when its stdin ends, or is killed after a while.
    #[test]
    fn orphan() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let interrupt = Interrupt::new();
        let grace = std::time::Duration::from_millis(100);
        interrupt.stop_at_end_of(std::io::stdin(), grace).unwrap();
        while !interrupt.interrupted() {
            std::thread::yield_now();
        }
        loop {
            std::thread::park(); // never finishes by itself
        }
    }

    /// A test of this file as a process of its own.
    fn process(test: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let test = format!("interruption::signals::{test}");
        command.args([test.as_str(), "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, "1");
        command
    }

    #[test]
    fn a_process_whose_parent_is_gone_ends() {
        let mut child = process("orphan").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }

    /// `nohup` used to be of no use.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_hangup_that_was_ignored_at_the_start_stays_ignored() {
        let child = process("child");
        let mut nohup = Command::new("nohup");
        nohup.arg(child.get_program()).args(child.get_args()).env(CHILD, "1");
        let mut child =
            nohup.stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line == "ready"));
        // Had the hangup been heard, each of the two would have been the second request to stop.
        signal(&child, "HUP");
        signal(&child, "INT");
        assert!(lines.any(|line| line == "stopping"));
        assert!(child.try_wait().unwrap().is_none());
        signal(&child, "TERM");
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }

    fn signal(child: &Child, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// The exit status after `first`, seen by the child, and then `second`.
    fn exit_after(first: &str, second: &str) -> Option<i32> {
        let mut child = process("child").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line == "ready"));
        signal(&child, first);
        assert!(lines.any(|line| line == "stopping"));
        signal(&child, second);
        child.wait().unwrap().code()
    }

    #[test]
    fn the_first_ctrl_c_asks_and_the_second_exits_with_130() {
        assert_eq!(exit_after("INT", "INT"), Some(130));
    }

    #[test]
    fn a_termination_request_counts_as_ctrl_c() {
        assert_eq!(exit_after("TERM", "INT"), Some(130));
    }
}
