//! The operations of IEEE 754 on `f32` that `core` does not offer: with the standard library they are its own, without it
//! the processor's where it has them, else those of `libm`. All round once, so all give the same bits.

#[cfg(feature = "std")]
mod here {
    #[inline(always)]
    pub(crate) fn mul_add(x: f32, factor: f32, addend: f32) -> f32 {
        x.mul_add(factor, addend)
    }

    #[inline(always)]
    pub(crate) fn sqrt(x: f32) -> f32 {
        x.sqrt()
    }

    #[inline(always)]
    pub(crate) fn round_ties_even(x: f32) -> f32 {
        x.round_ties_even()
    }
}

/// `fmaf` of `libm` takes a hundred integer operations. Inline assembly knows no single-precision registers on these targets,
/// so this is a function of the hard-float ABI.
#[cfg(all(feature = "vfma", not(feature = "std"), target_arch = "arm", target_abi = "eabihf"))]
#[expect(unsafe_code, reason = "an instruction that `core` has no name for")]
mod vfma {
    core::arch::global_asm!(
        ".fpu fpv4-sp-d16",
        ".thumb_func",
        ".global eyas_lanes_vfma",
        "eyas_lanes_vfma:",
        "vfma.f32 s2, s0, s1",
        "vmov.f32 s0, s2",
        "bx lr",
    );

    // SAFETY: the function above takes three numbers in registers, changes one of them, and returns it.
    unsafe extern "C" {
        safe fn eyas_lanes_vfma(x: f32, factor: f32, addend: f32) -> f32;
    }

    #[inline(always)]
    pub(crate) fn mul_add(x: f32, factor: f32, addend: f32) -> f32 {
        eyas_lanes_vfma(x, factor, addend)
    }
}

#[cfg(not(feature = "std"))]
mod here {
    #[cfg(all(feature = "vfma", target_arch = "arm", target_abi = "eabihf"))]
    pub(crate) use super::vfma::mul_add;

    #[cfg(not(all(feature = "vfma", target_arch = "arm", target_abi = "eabihf")))]
    #[inline(always)]
    pub(crate) fn mul_add(x: f32, factor: f32, addend: f32) -> f32 {
        libm::fmaf(x, factor, addend)
    }

    #[inline(always)]
    pub(crate) fn sqrt(x: f32) -> f32 {
        libm::sqrtf(x)
    }

    #[inline(always)]
    pub(crate) fn round_ties_even(x: f32) -> f32 {
        libm::rintf(x)
    }
}

pub(crate) use here::{mul_add, round_ties_even, sqrt};
