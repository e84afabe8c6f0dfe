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

    fn signal(child: &Child, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// The exit status after `first`, seen by the child, and then `second`.
    fn exit_after(first: &str, second: &str) -> Option<i32> {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["interruption::signals::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
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
