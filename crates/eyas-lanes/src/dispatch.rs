//! Choosing the instruction set at run time.

#![allow(unsafe_code, reason = "entering code compiled for a detected instruction set")]

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::{Lanes, Portable};

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Whatever the target guarantees.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, VL, BW and DQ.
    Avx512,
}

impl Isa {
    /// Those this machine can run, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        [Self::Portable, Self::Avx2, Self::Avx512].into_iter().filter(|isa| isa.is_available()).collect()
    }

    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
        })
    }
}

/// Work that runs on any lanes.
///
/// Mark `run` and all that it calls with lanes `#[inline(always)]`: only code inlined into the entry
/// point is compiled for the instruction set.
pub trait Kernel {
    /// What the work returns.
    type Output;

    /// Does the work.
    fn run<L: Lanes>(self) -> Self::Output;
}

const UNKNOWN: u8 = u8::MAX;
static CHOSEN: AtomicU8 = AtomicU8::new(UNKNOWN);

fn chosen() -> Isa {
    match CHOSEN.load(Ordering::Relaxed) {
        0 => Isa::Portable,
        1 => Isa::Avx2,
        2 => Isa::Avx512,
        _ => {
            let best = *Isa::available().last().expect("the portable lanes are always available");
            CHOSEN.store(best as u8, Ordering::Relaxed);
            best
        }
    }
}

/// Makes [`dispatch`] use one instruction set from now on, in the whole process.
///
/// Results do not change, only speed: this is for measuring and testing.
///
/// # Panics
///
/// If this machine lacks the instruction set.
pub fn force_isa(isa: Isa) {
    assert!(isa.is_available(), "this machine lacks {isa}");
    CHOSEN.store(isa as u8, Ordering::Relaxed);
}

/// Runs a kernel on the fastest lanes of this machine.
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: `chosen` returns available instruction sets only.
    unsafe { enter(chosen(), kernel) }
}

/// Runs a kernel on the lanes of a given instruction set.
///
/// # Panics
///
/// If this machine lacks the instruction set.
pub fn dispatch_on<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    assert!(isa.is_available(), "this machine lacks {isa}");
    // SAFETY: checked above.
    unsafe { enter(isa, kernel) }
}

/// # Safety
///
/// The machine has the instruction set.
#[inline]
unsafe fn enter<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    match isa {
        Isa::Portable => portable(kernel),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the caller's promise.
        Isa::Avx2 => unsafe { avx2(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the caller's promise.
        Isa::Avx512 => unsafe { avx512(kernel) },
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 => unreachable!("an x86 instruction set is never chosen here"),
    }
}

/// One function for each kernel: never inlined, so that each has the registers to itself.
#[inline(never)]
pub(crate) fn portable<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Portable>()
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
pub(crate) fn avx2<K: Kernel>(kernel: K) -> K::Output {
    aligned_stack();
    kernel.run::<crate::lanes::Avx2>()
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
pub(crate) fn avx512<K: Kernel>(kernel: K) -> K::Output {
    aligned_stack();
    kernel.run::<crate::lanes::Avx512>()
}

/// Makes the compiler align the frame of the function that this is inlined into to cache lines.
///
/// Vectors that do not fit into registers go to the stack, which is aligned to 16 bytes only, and the compiler does not
/// know in time that it will put vectors there: every second one would lie across two cache lines.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn aligned_stack() {
    #[repr(align(64))]
    struct CacheLine(#[expect(dead_code, reason = "only its alignment matters")] u8);
    let mut line = CacheLine(0);
    std::hint::black_box(&mut line);
}
