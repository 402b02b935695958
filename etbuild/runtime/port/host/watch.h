// Records a run: an event per operation, and which operation wrote each byte. Memory comes from the heap.
#pragma once

#include <vector>

#include "exec/method.h"
#include "npu/hazards.h"
#include "port/host/host.h"

namespace etb {

class Watch {
public:
    // fast_scratch: bytes of region 2. follows: whether to record which operation wrote each byte. room: bytes, the
    // most that events and hazards may take. The delegates must outlive the watch.
    Watch(Span<const EthosU> delegates, std::size_t fast_scratch, bool follows, std::uint64_t room);

    // Bytes of a watch that follows this delegate.
    [[nodiscard]] static std::uint64_t history_bytes(const EthosU& delegate, std::size_t fast_scratch);
    // Whether there was no room for an event or a hazard.
    [[nodiscard]] bool is_full() const { return full_; }
    // Whether `left` ended the run: only what it has seen until then is of use.
    [[nodiscard]] bool is_ended() const { return ended_; }

    // keeps: whether to record the `results` of all delegates. left: called after each kernel and delegate, or null.
    Monitor monitor(bool keeps = false, int (*left)(std::int32_t) = nullptr);
    // Before and after one delegate; `monitor` calls them itself. keeps: whether to record `results`.
    void begin_delegate(std::size_t index, bool keeps = false);
    void end_delegate(bool keep_hazards = true);

    [[nodiscard]] const npu::Observer* observer() const { return &observer_; }
    // The operation that last wrote a byte of a region in the last delegate; -1 for none.
    [[nodiscard]] std::int64_t writer(std::size_t region, std::uint64_t address) const;

    std::vector<etb_event> events;
    std::vector<etb_hazard> hazards;
    std::vector<etb_result> results;  // as far as there is room
    std::vector<std::int32_t> values;

private:
    Span<const EthosU> delegates_;
    std::size_t fast_scratch_;
    bool follows_;
    std::uint64_t room_;
    bool full_ = false;
    bool ended_ = false;
    bool keeps_ = false;
    bool keeps_all_ = false;
    int (*left_)(std::int32_t) = nullptr;
    Place place_;
    std::int32_t delegate_ = -1;
    std::uint64_t began_ns_ = 0;
    npu::Observer observer_;

    npu::Hazards hazards_;
    npu::Observer hazard_observer_;
    std::vector<npu::ByteHistory> histories_[2];  // of regions 1 and 2
    std::vector<npu::WriterHistory> writers_;
    std::vector<npu::Hazard> found_;

    // Take room for a record. A vector that grows has up to three times its content; its reader copies it.
    bool has_room(std::size_t bytes);
    void add_kernel(const Place& place);
    void keep_result(const npu::Operation& operation);

    static void before_instruction(void* context, const Place& place);
    static void after_instruction(void* context, const Place& place);
    static void before_operation(void* context, const npu::Operation& operation);
    static void after_operation(void* context, const npu::Operation& operation);
};

}  // namespace etb
