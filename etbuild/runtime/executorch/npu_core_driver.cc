// The board's NPU by Arm's core driver, which ExecuTorch's Ethos-U delegate calls.
//
// The driver's weak functions are replaced by others with their names for the linker and parameters of our own: those
// of cache maintenance have changed between its versions, and its semaphores need a heap and wait for ever.
#include <ethosu_driver.h>
#if __has_include(<pmu_ethosu.h>)
#include <pmu_ethosu.h>
#endif

#include <cstdint>
#include <type_traits>

#include "board.h"
#include "npu/ethosu.h"
#include "port/cortex_m/cache.h"
#include "port/cortex_m/npu_port.h"
#include "port/cortex_m/registers.h"
#include "port/port.h"

// ExecuTorch's delegate hands these to the driver as region 2.
extern unsigned char* ethosu_fast_scratch;
extern std::size_t ethosu_fast_scratch_size;
unsigned char* ethosu_fast_scratch = nullptr;
std::size_t ethosu_fast_scratch_size = 0;

namespace etb::port {

extern const npu::Settings npu_settings;  // generated

namespace {

struct Semaphore {
    volatile std::uint32_t count;
};

// One that the driver shares among its NPUs, and one for each of them.
Semaphore semaphores[2];
std::size_t semaphores_used = 0;
ethosu_driver driver;
std::uint64_t cycles = 0;

// Whether the driver's hooks for the cache take arrays: (bases, sizes, count). Older ones take (base, size).
constexpr bool takes_arrays =
    std::is_same_v<decltype(&ethosu_flush_dcache), void (*)(const std::uint64_t*, const std::size_t*, int)>;

const npu::Window* window_of(std::uintptr_t address) {
    for (std::size_t i = 0; i < npu_settings.window_count; ++i) {
        const npu::Window& window = npu_settings.windows[i];
        if (address >= window.first && address <= window.last) return &window;
    }
    return nullptr;
}

template <class Function>
void for_each_range(const void* first, std::uintptr_t second, int count, Function maintain) {
    const auto* sizes = reinterpret_cast<const std::size_t*>(second);
    for (int i = 0; i < (takes_arrays ? count : 1); ++i) {
        const auto address = takes_arrays ? static_cast<std::uintptr_t>(static_cast<const std::uint64_t*>(first)[i])
                                          : reinterpret_cast<std::uintptr_t>(first);
        const std::size_t bytes = takes_arrays ? sizes[i] : second;
        const npu::Window* window = window_of(address);
        if (bytes && !(window && !window->cacheable))
            maintain(Bytes{reinterpret_cast<const std::uint8_t*>(address), bytes});
    }
}

}  // namespace

extern "C" {

void etb_flush(const void* first, std::uintptr_t second, int count) asm("ethosu_flush_dcache");
void etb_flush(const void* first, std::uintptr_t second, int count) {
    for_each_range(first, second, count, clean_and_invalidate);
}

void etb_invalidate(const void* first, std::uintptr_t second, int count) asm("ethosu_invalidate_dcache");
void etb_invalidate(const void* first, std::uintptr_t second, int count) {
    for_each_range(first, second, count, invalidate);
}

std::uint64_t etb_remap(std::uint64_t address, int index) asm("ethosu_address_remap");
std::uint64_t etb_remap(std::uint64_t address, int) {
    const npu::Window* window = window_of(static_cast<std::uintptr_t>(address));
    return window ? static_cast<std::uint32_t>(static_cast<std::uint32_t>(address) + window->offset) : address;
}

void* etb_semaphore_create() asm("ethosu_semaphore_create");
void* etb_semaphore_create() {
    constexpr std::size_t most = sizeof semaphores / sizeof semaphores[0];
    return semaphores_used < most ? &semaphores[semaphores_used++] : nullptr;
}

void etb_semaphore_destroy(void*) asm("ethosu_semaphore_destroy");
void etb_semaphore_destroy(void*) {}

int etb_semaphore_give(void* semaphore) asm("ethosu_semaphore_give");
int etb_semaphore_give(void* semaphore) {
    auto& count = static_cast<Semaphore*>(semaphore)->count;
    count = count + 1;
    return 0;
}

// Interrupts are masked between the look at the count and the WFI, which a pending one ends at once; so does SysTick's.
int etb_semaphore_take(void* semaphore) asm("ethosu_semaphore_take");
int etb_semaphore_take(void* semaphore) {
    auto& count = static_cast<Semaphore*>(semaphore)->count;
    const std::uint64_t begun = ticks();
    for (;;) {
        asm volatile("cpsid i" ::: "memory");
        const bool given = count != 0;
        if (given)
            count = count - 1;
        else
            asm volatile("wfi" ::: "memory");
        asm volatile("cpsie i\n isb" ::: "memory");
        if (given) return 0;
        if (ticks() - begun >= npu_settings.most_ticks) return -1;
    }
}

#if __has_include(<pmu_ethosu.h>)
void etb_begin(ethosu_driver* of, void*) asm("ethosu_inference_begin");
void etb_begin(ethosu_driver* of, void*) {
    ETHOSU_PMU_Enable(of);
    ETHOSU_PMU_CYCCNT_Reset(of);
    ETHOSU_PMU_CNTR_Enable(of, ETHOSU_PMU_CCNT_Msk);
}

void etb_end(ethosu_driver* of, void*) asm("ethosu_inference_end");
void etb_end(ethosu_driver* of, void*) {
    cycles += ETHOSU_PMU_Get_CCNTR(of);
    ETHOSU_PMU_Disable(of);
}
#endif

}  // extern "C"

Status open_npu(const npu::Npu*& npu) {
    npu = nullptr;
    const MutableBytes fast = memory().fast_scratch;
    ethosu_fast_scratch = fast.data;
    ethosu_fast_scratch_size = fast.size;
    constexpr std::uint32_t privileged = 1u << 0, non_secure = 1u << 1;
    const std::uint32_t protection = npu_settings.protection;
    if (ethosu_init(&driver, reinterpret_cast<void*>(board::npu_address), fast.data, fast.size,
                    !(protection & non_secure), (protection & privileged) != 0) != 0)
        return Status{Code::fault, "no NPU answers at its address"};
    nvic_iser(board::npu_interrupt / 32) = 1u << board::npu_interrupt % 32;
    return {};
}

// Of all jobs since it was last asked.
std::uint64_t npu_cycles() {
    const std::uint64_t counted = cycles;
    cycles = 0;
    return counted;
}

}  // namespace etb::port

extern "C" void etb_npu_interrupt() { ethosu_irq_handler(&etb::port::driver); }
