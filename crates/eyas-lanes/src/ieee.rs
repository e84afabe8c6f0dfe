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

#[cfg(not(feature = "std"))]
mod here {
    /// `libm` would do this in a hundred integer operations.
    #[cfg(all(target_arch = "arm", target_abi = "eabihf"))]
    #[expect(unsafe_code, reason = "an instruction that `core` has no name for")]
    #[inline(always)]
    pub(crate) fn mul_add(x: f32, factor: f32, addend: f32) -> f32 {
        let mut sum = addend;
        // SAFETY: ARM targets with the hard-float ABI that are built here have a VFPv4 unit; the instruction reads and
        // writes these registers and the sticky flags only.
        unsafe {
            core::arch::asm!("vfma.f32 {sum}, {x}, {factor}", sum = inout(sreg) sum, x = in(sreg) x,
                factor = in(sreg) factor, options(pure, nomem, nostack, preserves_flags));
        }
        sum
    }

    #[cfg(not(all(target_arch = "arm", target_abi = "eabihf")))]
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
