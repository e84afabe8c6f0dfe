@ Vectors, and what runs before `flight`: the floating-point unit is switched on, and memory begins with zeros.
    .syntax unified
    .thumb
    .section .vectors, "a"
    .word stack_top
    .word reset
    .rept 14
    .word fault
    .endr

    .section .text.reset, "ax"
    .thumb_func
    .global reset
reset:
    ldr r0, =0xE000ED88
    ldr r1, [r0]
    orr r1, r1, #0xF00000
    str r1, [r0]
    dsb
    isb
    ldr r0, =bss_start
    ldr r1, =bss_end
    movs r2, #0
1:
    cmp r0, r1
    bhs 2f
    str r2, [r0], #4
    b 1b
2:
    bl flight
    .thumb_func
fault:
    ldr r1, =0x20023
    movs r0, #0x18
    bkpt 0xAB
    b fault
    .ltorg
