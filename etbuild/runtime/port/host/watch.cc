#include "port/host/watch.h"

#include <chrono>

namespace etb {
namespace {

std::uint64_t now_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
            .count());
}

static_assert(static_cast<int>(npu::HazardKind::never_written) == ETB_NEVER_WRITTEN &&
              static_cast<int>(npu::HazardKind::overwritten) == ETB_OVERWRITTEN &&
              static_cast<int>(npu::HazardKind::unread) == ETB_UNREAD &&
              static_cast<int>(npu::HazardKind::shared_table) == ETB_SHARED_TABLE);

void put_shape(const npu::Shape& shape, std::int32_t (&to)[3]) {
    to[0] = shape.height;
    to[1] = shape.width;
    to[2] = shape.depth;
}

constexpr std::size_t most_hazards = 1000;  // of one delegate

}  // namespace

Watch::Watch(Span<const EthosU> delegates, std::size_t fast_scratch, bool follows, std::uint64_t room)
    : delegates_(delegates), fast_scratch_(fast_scratch), follows_(follows), room_(room) {
    observer_ = {this, before_operation, after_operation};
}

std::uint64_t Watch::history_bytes(const EthosU& delegate, std::size_t fast_scratch) {
    return (std::uint64_t{delegate.scratch_bytes} + fast_scratch) * sizeof(npu::ByteHistory) +
           delegate.commands.size / 4 * sizeof(npu::WriterHistory) + most_hazards * sizeof(npu::Hazard);
}

bool Watch::has_room(std::size_t bytes) {
    full_ = full_ || bytes * 4 > room_;
    if (!full_) room_ -= bytes * 4;
    return !full_;
}

Monitor Watch::monitor(bool keeps, int (*left)(std::int32_t)) {
    keeps_all_ = keeps;
    left_ = left;
    return {this, before_instruction, after_instruction, &observer_};
}

void Watch::begin_delegate(std::size_t index, bool keeps) {
    delegate_ = static_cast<std::int32_t>(index);
    keeps_ = keeps;
    if (!follows_) return;
    const EthosU& delegate = delegates_[index];
    histories_[0].assign(delegate.scratch_bytes, {});
    histories_[1].assign(fast_scratch_, {});
    writers_.assign(delegate.commands.size / 4, {});  // no more operations than words
    found_.assign(most_hazards, {});
    hazards_ = npu::Hazards();
    for (std::size_t i = 0; i < 2; ++i) hazards_.bytes[1 + i] = {histories_[i].data(), histories_[i].size()};
    hazards_.writers = {writers_.data(), writers_.size()};
    hazards_.found = {found_.data(), found_.size()};
    for (std::size_t i = 0; i < delegate.inputs(); ++i)
        hazards_.written_before(1, delegate.input(i).offset, delegate.input(i).bytes());
    for (std::size_t i = 0; i < delegate.outputs(); ++i)
        hazards_.read_after(1, delegate.output(i).offset, delegate.output(i).bytes());
    hazard_observer_ = hazards_.observer();
}

void Watch::end_delegate(bool keep_hazards) {
    if (follows_ && keep_hazards) {
        hazards_.finish();
        for (std::size_t i = 0; i < hazards_.count && i < found_.size(); ++i) {
            const npu::Hazard& one = found_[i];
            if (!has_room(sizeof(etb_hazard))) break;
            hazards.push_back({delegate_, static_cast<std::int32_t>(one.kind), one.region, one.operation, one.writer,
                               one.victim, one.address});
        }
    }
    delegate_ = -1;
}

void Watch::keep_result(const npu::Operation& operation) {
    npu::FeatureMap map = operation.ofm;
    const npu::Shape& shape = map.shape;
    const auto row = static_cast<std::size_t>(shape.width) * static_cast<std::size_t>(shape.depth);
    const std::size_t count = static_cast<std::size_t>(shape.height) * row;
    if (!has_room(sizeof(etb_result) + count * sizeof(std::int32_t))) return;
    etb_result result{};
    result.operation = operation.index;
    result.word = operation.word;
    result.region = map.storage == npu::Storage::chain ? -1 : map.region;
    result.brick = map.brick;
    result.tiled = map.height0 < shape.height || map.width0 < shape.width;
    result.element = map.element;
    put_shape(shape, result.shape);
    result.base = map.base[0];
    result.stride_y = map.stride_y;
    result.stride_x = map.stride_x;
    result.stride_c = map.stride_c;
    result.first = values.size();
    result.instruction = static_cast<std::int32_t>(place_.instruction);
    results.push_back(result);
    map.zero_point = 0;
    std::vector<std::int64_t> channels(static_cast<std::size_t>(shape.depth));
    for (std::int32_t y = 0; y < shape.height; ++y)
        for (std::int32_t x = 0; x < shape.width; ++x) {
            npu::load_channels(map, y, x, 0, shape.depth, channels.data());
            for (const std::int64_t value : channels) values.push_back(static_cast<std::int32_t>(value));
        }
}

std::int64_t Watch::writer(std::size_t region, std::uint64_t address) const {
    if (region < 1 || region > 2 || address >= histories_[region - 1].size()) return -1;
    const std::uint32_t number = histories_[region - 1][static_cast<std::size_t>(address)].writer;
    return number == 0 || number == UINT32_MAX ? -1 : std::int64_t{number} - 1;
}

void Watch::before_instruction(void* context, const Place& place) {
    auto& self = *static_cast<Watch*>(context);
    self.place_ = place;
    self.began_ns_ = now_ns();
    if (place.kind == Instruction::delegate) self.begin_delegate(place.index, self.keeps_all_);
}

void Watch::after_instruction(void* context, const Place& place) {
    auto& self = *static_cast<Watch*>(context);
    if (place.kind == Instruction::delegate) self.end_delegate();
    const bool is_kernel = place.kind == Instruction::kernel;
    if (is_kernel && self.has_room(sizeof(etb_event))) self.add_kernel(place);
    if (self.left_ && !self.ended_ && (is_kernel || place.kind == Instruction::delegate))
        self.ended_ = self.left_(static_cast<std::int32_t>(place.instruction)) != 0;
}

void Watch::add_kernel(const Place& place) {
    etb_event event{};
    event.instruction = static_cast<std::int32_t>(place.instruction);
    event.delegate = -1;
    event.name = place.name;
    event.overload = place.overload;
    event.begin_ns = began_ns_;
    event.duration_ns = now_ns() - began_ns_;
    events.push_back(event);
}

void Watch::before_operation(void* context, const npu::Operation& operation) {
    auto& self = *static_cast<Watch*>(context);
    if (self.follows_ && self.hazard_observer_.before)
        self.hazard_observer_.before(self.hazard_observer_.context, operation);
    self.began_ns_ = now_ns();
}

void Watch::after_operation(void* context, const npu::Operation& operation) {
    auto& self = *static_cast<Watch*>(context);
    etb_event event{};
    event.duration_ns = now_ns() - self.began_ns_;
    event.begin_ns = self.began_ns_;
    event.instruction = static_cast<std::int32_t>(self.place_.instruction);
    event.delegate = self.delegate_;
    event.operation = operation.index;
    event.word = operation.word;
    event.name = npu::operation_name(operation);
    event.overload = "";
    event.macs = operation.macs;
    const npu::Effects effects = npu::measure(operation);
    for (int region = 0; region < 8; ++region) {
        event.bytes_read[region] = effects.bytes_read[region];
        event.bytes_written[region] = effects.bytes_written[region];
    }
    event.weights = operation.counters.weights;
    event.zero_weights = operation.counters.zero_weights;
    event.min = effects.min;
    event.max = effects.max;
    event.elements = effects.elements;
    if (operation.uses_ifm) put_shape(operation.ifm.shape, event.ifm);
    if (operation.uses_ifm2) put_shape(operation.ifm2.shape, event.ifm2);
    if (operation.uses_ofm) put_shape(operation.out, event.ofm);
    if (self.has_room(sizeof(etb_event))) self.events.push_back(event);
    if (self.keeps_ && operation.uses_ofm && operation.ofm.storage != npu::Storage::none) self.keep_result(operation);
    if (self.follows_ && self.hazard_observer_.after)
        self.hazard_observer_.after(self.hazard_observer_.context, operation);
}

}  // namespace etb
