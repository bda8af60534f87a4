/* SPDX-License-Identifier: MIT */
/*
 * The switch between stacks, AAPCS64: x19 to x30, d8 to d15 and sp are kept.
 * x18 is the platform's and is not touched.
 */
#if defined(__aarch64__) && !defined(LEAT_PORTABLE_CONTEXT)
    .text

/* void lt_context_switch(void **save, void *to) */
    .globl lt_context_switch
    .hidden lt_context_switch
    .type lt_context_switch, %function
    .p2align 4
lt_context_switch:
    .cfi_startproc
    hint #34 /* bti c */
    sub sp, sp, #160
    .cfi_adjust_cfa_offset 160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    .cfi_adjust_cfa_offset -160
    ret
    .cfi_endproc
    .size lt_context_switch, . - lt_context_switch

/* Where a new stack begins: x19 holds the function. */
    .globl lt_context_entry
    .hidden lt_context_entry
    .type lt_context_entry, %function
    .p2align 4
lt_context_entry:
    .cfi_startproc
    .cfi_undefined x30
    hint #36 /* bti j */
    mov x29, xzr
    mov x30, xzr
    blr x19
    brk #1
    .cfi_endproc
    .size lt_context_entry, . - lt_context_entry
#endif

    .section .note.GNU-stack, "", %progbits
