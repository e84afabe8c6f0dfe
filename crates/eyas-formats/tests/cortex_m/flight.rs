//! A policy flown on a Cortex-M4F by `eyas-fly`: observations from flash, actions to a file of the host, and what it cost.
//!
//! The panic handler calls what nothing defines: the program is linked if, and only if, no panic can be reached.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::panic::PanicInfo;
use core::ptr;

use eyas_fly::{Executor, Policy, Rates};

global_asm!(include_str!("start.s"));

unsafe extern "C" {
    fn a_panic_can_be_reached() -> !;
    static code_end: u8;
    static policy_end: u8;
    static mut bss_end: u32;
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    unsafe { a_panic_can_be_reached() }
}

#[unsafe(link_section = ".policy")]
static POLICY: [u8; include_bytes!("policy.bin").len()] = *include_bytes!("policy.bin");
#[unsafe(link_section = ".input")]
static OBSERVATIONS: [u8; include_bytes!("observations.bin").len()] = *include_bytes!("observations.bin");

type Student = Executor<'static, 22, 4, 16, 140>;

const NATIVE_NS: u64 = 10_000_000;

/// What the stack is filled with before the flight.
const PAINT: u32 = 0xa5a5_a5a5;

/// A call of the host that runs the simulator.
fn host(operation: usize, arguments: &[usize]) -> usize {
    let result;
    unsafe { asm!("bkpt 0xAB", inlateout("r0") operation => result, in("r1") arguments.as_ptr()) };
    result
}

fn open(name: &[u8]) -> usize {
    // 5 is `wb`; the name ends with a zero that does not count.
    host(1, &[name.as_ptr() as usize, 5, name.len() - 1])
}

fn write(handle: usize, words: &[u32]) {
    host(5, &[handle, words.as_ptr() as usize, 4 * words.len()]);
}

/// SysTick, which counts down 24 bits.
fn ticks() -> u32 {
    unsafe { ptr::read_volatile(0xE000_E018 as *const u32) }
}

fn exit(code: usize) -> ! {
    loop {
        // `ADP_Stopped_ApplicationExit` is success; the second argument is not a pointer here.
        unsafe { asm!("bkpt 0xAB", in("r0") 0x18, in("r1") code) };
    }
}

#[unsafe(no_mangle)]
extern "C" fn flight() {
    let here: usize;
    unsafe { asm!("mov {}, sp", out(reg) here) };
    let bottom = &raw mut bss_end;
    // The frame of this function lies above; what follows calls nothing.
    let words = (here - bottom as usize) / 4;
    for word in 0..words {
        unsafe { ptr::write_volatile(bottom.add(word), PAINT) };
    }
    unsafe {
        ptr::write_volatile(0xE000_E014 as *mut u32, 0x00ff_ffff);
        ptr::write_volatile(0xE000_E010 as *mut u32, 5);
    }
    let actions = open(b"actions.bin\0");
    let rates = Rates {
        native_ns: NATIVE_NS,
        call_ns: NATIVE_NS,
        timeout_ns: 5 * NATIVE_NS,
        previous_action: None,
        first_action: 0.0,
    };
    let Ok(policy) = Policy::new(&POLICY) else { return };
    let Ok(mut executor) = Student::new(policy, rates) else { return };
    let (mut now, mut most) = (0, 0);
    for row in OBSERVATIONS.as_chunks::<88>().0 {
        let mut observation = [0.0; 22];
        for (feature, bytes) in observation.iter_mut().zip(row.as_chunks::<4>().0) {
            *feature = f32::from_le_bytes(*bytes);
        }
        let before = ticks();
        let Ok(step) = executor.control(now, &observation) else { return };
        let took = before.wrapping_sub(ticks()) & 0x00ff_ffff;
        most = if took > most { took } else { most };
        now += NATIVE_NS;
        write(actions, &step.action.map(f32::to_bits));
    }
    let mut untouched = 0;
    while untouched < words && unsafe { ptr::read_volatile(bottom.add(untouched)) } == PAINT {
        untouched += 1;
    }
    let code = &raw const code_end as u32;
    let stack = 0x2001_0000 - (bottom as u32 + 4 * untouched as u32);
    let costs = [code, &raw const policy_end as u32 - code, size_of::<Student>() as u32, stack, most];
    write(open(b"costs.bin\0"), &costs);
    exit(0x20026);
}
