/* SPDX-License-Identifier: MIT */
/*
 * The switch between stacks, System V ABI for x86-64.
 *
 * Saved: what the ABI says a called function keeps (rbx, rbp, r12 to r15, rsp).
 * Not saved: the floating-point control words, which are the thread's and
 * which tasks must leave as they are. A shadow stack is not followed, so the
 * object does not claim to support one and the linker turns it off.
 */
#if defined(__x86_64__) && !defined(LEAT_PORTABLE_CONTEXT)
#if defined(__CET__)
#define ENTRY endbr64
#else
#define ENTRY
#endif

    .text

/* void lt_context_switch(void **save, void *to) */
    .globl lt_context_switch
    .hidden lt_context_switch
    .type lt_context_switch, @function
    .p2align 4
lt_context_switch:
    .cfi_startproc
    ENTRY
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    ret
    .cfi_endproc
    .size lt_context_switch, . - lt_context_switch

/* Where a new stack begins: rbx holds the function. There is no caller, and unwinders are told so. */
    .globl lt_context_entry
    .hidden lt_context_entry
    .type lt_context_entry, @function
    .p2align 4
lt_context_entry:
    .cfi_startproc
    .cfi_undefined rip
    ENTRY
    xorl %ebp, %ebp
    callq *%rbx
    ud2
    .cfi_endproc
    .size lt_context_entry, . - lt_context_entry
#endif

    .section .note.GNU-stack, "", @progbits
