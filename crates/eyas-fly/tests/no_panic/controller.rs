//! All of `eyas-fly` that a flight controller calls, with a panic handler that nothing defines.

#![no_std]

use core::panic::PanicInfo;

use eyas_fly::{Executor, Fault, Policy, Rates};

unsafe extern "C" {
    fn a_panic_can_be_reached() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    unsafe { a_panic_can_be_reached() }
}

/// The student of RAPTOR.
type Student<'a> = Executor<'a, 22, 4, 16, 160>;

#[unsafe(no_mangle)]
pub extern "C" fn begin<'a>(bytes: &'a [u8; 65536], length: usize, into: &mut Option<Student<'a>>) -> bool {
    let rates = Rates {
        native_ns: 10_000_000,
        call_ns: 2_500_000,
        timeout_ns: 100_000_000,
        previous_action: Some(18),
        first_action: 0.0,
    };
    let policy = bytes.get(..length).ok_or(()).and_then(|bytes| Policy::new(bytes).map_err(drop));
    *into = policy.and_then(|policy| Student::new(policy, rates).map_err(drop)).ok();
    into.is_some()
}

#[unsafe(no_mangle)]
pub extern "C" fn control(
    student: &mut Student<'_>,
    now_ns: u64,
    observation: &[f32; 22],
    action: &mut [f32; 4],
) -> u8 {
    match student.control(now_ns, observation) {
        Ok(step) => {
            *action = step.action;
            let warns = |timing: Option<eyas_fly::Timing>| timing.is_some_and(|it| it.jitters() || it.is_biased());
            u8::from(warns(step.native)) | u8::from(warns(step.calls)) << 1 | u8::from(step.is_first) << 2
        }
        Err(Fault::TimeWentBack) => 8,
        Err(_) => 16,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn restart(student: &mut Student<'_>) {
    student.reset();
}
