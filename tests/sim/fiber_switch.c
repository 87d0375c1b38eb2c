/* fiber_switch: from one stack to another without a system call; see fiber.h. */
#include "fiber.h"

#include <stdlib.h>
#include <sys/mman.h>

#define STACK_BYTES ((size_t)256 << 10)
#define GUARD_BYTES ((size_t)4096)

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SHADOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SHADOW 1
#endif
#endif

#ifdef HAS_SHADOW
void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *size);
void __asan_unpoison_memory_region(const volatile void *bytes, size_t size);
static void *world_shadow;
static const void *world_stack;
static size_t world_stack_bytes;
#endif

static void make_stack(struct fiber *fiber)
{
    if (fiber->stack != NULL) {
#ifdef HAS_SHADOW
        __asan_unpoison_memory_region(fiber->stack + GUARD_BYTES, STACK_BYTES - GUARD_BYTES);
#endif
        return;
    }
    void *bytes = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED || mprotect(bytes, GUARD_BYTES, PROT_NONE) != 0)
        abort();
    fiber->stack = bytes;
}

#ifdef __x86_64__
/* Saves what a called function must keep, changes the stack, and returns there. */
void sim_switch_stack(void **from, void *to);
__asm__(".text\n"
        ".globl sim_switch_stack\n"
        ".type sim_switch_stack,@function\n"
        "sim_switch_stack:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n"
        "    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n"
        "    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    ret\n"
        ".size sim_switch_stack,.-sim_switch_stack\n");

static void *world_stack_pointer;

void fiber_prepare(struct fiber *fiber, void (*begin)(void))
{
    make_stack(fiber);
    uintptr_t *top = (uintptr_t *)(void *)(fiber->stack + STACK_BYTES);
    *--top = 0; /* the return address that `begin` never uses; the stack is aligned below it */
    *--top = (uintptr_t)begin;
    for (int i = 0; i < 6; i++)
        *--top = 0;
    fiber->stack_pointer = top;
}

static void change(struct fiber *fiber, bool is_back)
{
    if (is_back)
        sim_switch_stack(&fiber->stack_pointer, world_stack_pointer);
    else
        sim_switch_stack(&world_stack_pointer, fiber->stack_pointer);
}
#else
#include <ucontext.h>

static ucontext_t world_context;

void fiber_prepare(struct fiber *fiber, void (*begin)(void))
{
    make_stack(fiber);
    ucontext_t *context = malloc(sizeof *context);
    if (context == NULL || getcontext(context) != 0)
        abort();
    context->uc_stack.ss_sp = fiber->stack;
    context->uc_stack.ss_size = STACK_BYTES;
    context->uc_link = NULL;
    makecontext(context, begin, 0);
    free(fiber->stack_pointer);
    fiber->stack_pointer = context;
}

static void change(struct fiber *fiber, bool is_back)
{
    if (is_back)
        (void)swapcontext(fiber->stack_pointer, &world_context);
    else
        (void)swapcontext(&world_context, fiber->stack_pointer);
}
#endif

void fiber_switch_to(struct fiber *fiber)
{
#ifdef HAS_SHADOW
    __sanitizer_start_switch_fiber(&world_shadow, fiber->stack, STACK_BYTES);
#endif
    change(fiber, false);
#ifdef HAS_SHADOW
    __sanitizer_finish_switch_fiber(world_shadow, NULL, NULL);
#endif
}

void fiber_switch_back(struct fiber *fiber)
{
#ifdef HAS_SHADOW
    bool is_last = fiber->state == FIBER_OVER || fiber->state == FIBER_FREE;
    __sanitizer_start_switch_fiber(is_last ? NULL : &fiber->shadow, world_stack, world_stack_bytes);
#endif
    change(fiber, true);
#ifdef HAS_SHADOW
    __sanitizer_finish_switch_fiber(fiber->shadow, &world_stack, &world_stack_bytes);
#endif
}

void fiber_began(struct fiber *fiber)
{
    fiber->shadow = NULL;
#ifdef HAS_SHADOW
    __sanitizer_finish_switch_fiber(NULL, &world_stack, &world_stack_bytes);
#endif
}
