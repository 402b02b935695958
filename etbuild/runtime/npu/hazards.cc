// The hazard check. Before each operation its reads are checked, then its writes are recorded.
#include "npu/hazards.h"

#include <initializer_list>

#include "npu/machine.h"

namespace etb::npu {
namespace {

constexpr std::uint32_t before_job = UINT32_MAX;

// The writers of the operand that is read, with the number of its bytes that each wrote. Writers beyond 64 are ignored.
struct Sources {
    std::uint32_t writers[64];
    std::uint32_t bytes[64];
    std::size_t count = 0;

    void add(std::uint32_t writer) {
        std::size_t i = 0;
        while (i < count && writers[i] != writer) ++i;
        if (i == 64) return;
        if (i == count) {
            writers[count] = writer;
            bytes[count++] = 0;
        }
        ++bytes[i];
    }
    [[nodiscard]] std::uint32_t bytes_of(std::uint32_t writer) const {
        for (std::size_t i = 0; i < count; ++i)
            if (writers[i] == writer) return bytes[i];
        return 0;
    }
};

// Reading one operand: the first pass collects its writers, the second (`judging`) checks its bytes. At most one hazard
// is reported per operand.
struct Reading {
    Hazards& hazards;
    const Operation& operation;
    Operand operand;
    bool repeated;
    Sources sources;
    bool judging = false, reported = false;
};

ByteHistory* history(const Hazards& hazards, const Access& access, std::uint64_t offset) {
    const Span<ByteHistory>& bytes = hazards.bytes[access.region];
    const std::uint64_t at = static_cast<std::uint64_t>(access.address) + offset;
    return bytes.holds(at, 1) ? bytes.data + at : nullptr;
}

std::uint8_t value_of(const Operation& operation, const Access& access, std::uint64_t offset) {
    const Region& region = operation.machine->regions.at[access.region];
    const std::uint64_t at = static_cast<std::uint64_t>(access.address) + offset;
    return at < region.size ? region.data[at] : std::uint8_t{0};
}

WriterHistory* writer_history(const Hazards& hazards, std::uint32_t writer) {
    if (writer == 0 || writer == before_job || writer > hazards.writers.size) return nullptr;
    return hazards.writers.data + (writer - 1);
}

void report(Hazards& hazards, const Hazard& hazard) {
    if (hazards.count < hazards.found.size) hazards.found[hazards.count] = hazard;
    ++hazards.count;
}

// The earlier writer of this byte whose other bytes are still in the operand, if the last writer wrote another layout
// and bytes outside the operand; else 0. (If the last writer wrote inside the operand only, as when a padded tensor is
// filled first and then its interior written, nothing is reported.)
std::uint32_t victim_of(const Reading& reading, const ByteHistory& byte) {
    const WriterHistory* const young = writer_history(reading.hazards, byte.writer);
    if (!young || reading.sources.bytes_of(byte.writer) >= young->written) return 0;
    for (const std::uint32_t earlier : byte.earlier) {
        const WriterHistory* const old = writer_history(reading.hazards, earlier);
        if (old && old->layout != young->layout && reading.sources.bytes_of(earlier) > 0) return earlier;
    }
    return 0;
}

// Whether a copy may read this byte of its source though nothing wrote it: Vela rounds the length of a DMA up to 16.
bool is_padding(const Access& access, std::uint64_t offset) {
    return access.operand == Operand::source && access.size % 16 == 0 && access.size - offset < 16;
}

void judge(Reading& reading, const Access& access, std::uint64_t offset, const ByteHistory& byte) {
    if (reading.reported || (byte.writer == 0 && is_padding(access, offset))) return;
    // A value written anew: Vela fills the border of a padded tensor side by side, and its corners twice.
    if (byte.writer != 0 && value_of(reading.operation, access, offset) == byte.before) return;
    const std::int64_t address = access.address + static_cast<std::int64_t>(offset);
    Hazard hazard{HazardKind::never_written, access.operand, access.region, reading.operation.index, 0, 0, address};
    if (byte.writer != 0) {
        const std::uint32_t victim = victim_of(reading, byte);
        if (victim == 0) return;
        hazard.kind = HazardKind::overwritten;
        hazard.writer = byte.writer - 1;
        hazard.victim = victim - 1;
    }
    reading.reported = true;
    report(reading.hazards, hazard);
}

void note_read(Reading& reading, ByteHistory& byte) {
    WriterHistory* const writer = writer_history(reading.hazards, byte.writer);
    if (!writer) return;
    if (!byte.read) ++writer->read;
    byte.read = true;
    if (reading.repeated) writer->read_repeated = true;
}

void read_bytes(void* context, const Access& access) {
    auto& reading = *static_cast<Reading*>(context);
    if (access.writes || access.operand != reading.operand) return;
    for (std::uint64_t i = 0; i < access.size; ++i) {
        ByteHistory* const byte = history(reading.hazards, access, i);
        if (!byte) continue;
        if (!reading.judging) {
            reading.sources.add(byte->writer);
            continue;
        }
        judge(reading, access, i, *byte);
        note_read(reading, *byte);
    }
}

// source: of the copy that a DMA is writing; empty for other operations.
struct Writing {
    Hazards& hazards;
    const Operation& operation;
    std::uint32_t writer;
    Access source;
};

// Whether the byte that is copied to this place was never written: then the copy is not either.
bool copies_nothing(const Writing& writing, std::uint64_t offset) {
    if (offset >= writing.source.size) return false;
    const ByteHistory* const byte = history(writing.hazards, writing.source, offset);
    return byte && byte->writer == 0;
}

void write_bytes(void* context, const Access& access) {
    auto& writing = *static_cast<Writing*>(context);
    if (access.operand == Operand::source) writing.source = access;
    if (!access.writes) return;
    WriterHistory* const writer = writer_history(writing.hazards, writing.writer);
    for (std::uint64_t i = 0; i < access.size; ++i) {
        ByteHistory* const byte = history(writing.hazards, access, i);
        if (!byte || byte->writer == writing.writer) continue;
        if (copies_nothing(writing, i)) {
            *byte = {};
            continue;
        }
        *byte = {writing.writer,
                 {byte->writer, byte->earlier[0], byte->earlier[1]},
                 false,
                 value_of(writing.operation, access, i)};
        if (!writer) continue;
        if (writer->written == 0) writer->first = access.address + static_cast<std::int64_t>(i);
        ++writer->written;
        writer->region = access.region;
    }
}

std::uint32_t mix(std::uint32_t hash, std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    return (hash ^ static_cast<std::uint32_t>(bits ^ bits >> 32)) * 16777619U;
}

std::uint32_t layout_of(const Operation& operation) {
    if (operation.code == Op::dma_start) return 1;
    const FeatureMap& map = operation.ofm;
    std::uint32_t hash = mix(2166136261U, map.stride_y);
    hash = mix(mix(hash, map.stride_x), map.stride_c);
    hash = mix(mix(hash, map.shape.width), map.shape.depth);
    return mix(mix(hash, map.element), map.brick ? 1 : 0);
}

// Chained operations run at once, so a table for the second cannot be loaded between them.
void check_tables(Hazards& hazards, const Operation& operation) {
    ChainLookups& lookups = hazards.lookups;
    const bool continues = (operation.uses_ifm && operation.ifm.storage == Storage::chain) ||
                           (operation.uses_ifm2 && operation.ifm2.storage == Storage::chain);
    if (!continues) lookups.count = 0;
    if (operation.activation.table == Table::none) return;
    for (std::size_t i = 0; i < lookups.count; ++i) {
        if (lookups.offsets[i] != operation.activation.table_offset) continue;
        Hazard hazard;
        hazard.kind = HazardKind::shared_table;
        hazard.operand = Operand::ofm;
        hazard.operation = operation.index;
        hazard.victim = lookups.operations[i];
        return report(hazards, hazard);
    }
    if (lookups.count == 8) return;
    lookups.operations[lookups.count] = operation.index;
    lookups.offsets[lookups.count++] = operation.activation.table_offset;
}

void before(void* context, const Operation& operation) {
    auto& hazards = *static_cast<Hazards*>(context);
    check_tables(hazards, operation);
    for (const Operand operand :
         {Operand::ifm, Operand::ifm2, Operand::weights, Operand::scales, Operand::indices, Operand::source}) {
        const FeatureMap& map = operand == Operand::ifm ? operation.ifm : operation.ifm2;
        const bool repeated = operand <= Operand::ifm2 && (map.repeat_height || map.repeat_width || map.repeat_depth);
        Reading reading{hazards, operation, operand, repeated, {}};
        for_each_access(operation, &reading, read_bytes);
        reading.judging = true;
        for_each_access(operation, &reading, read_bytes);
    }
    Writing writing{hazards, operation, operation.index + 1, {}};
    if (WriterHistory* const writer = writer_history(hazards, writing.writer)) {
        *writer = {};  // of an earlier pass of a loop
        writer->layout = layout_of(operation);
    }
    for_each_access(operation, &writing, write_bytes);
}

}  // namespace

void Hazards::written_before(std::uint8_t region, std::uint64_t address, std::uint64_t size) {
    for (std::uint64_t i = 0; i < size; ++i)
        if (bytes[region].holds(address + i, 1)) bytes[region].data[address + i] = {before_job, {}, false, 0};
}

void Hazards::read_after(std::uint8_t region, std::uint64_t address, std::uint64_t size) {
    for (std::uint64_t i = 0; i < size; ++i) {
        if (!bytes[region].holds(address + i, 1)) continue;
        ByteHistory& byte = bytes[region].data[address + i];
        WriterHistory* const writer = writer_history(*this, byte.writer);
        if (writer && !byte.read) ++writer->read;
        byte.read = true;
    }
}

Observer Hazards::observer() { return {this, before, nullptr}; }

void Hazards::finish() {
    for (std::size_t i = 0; i < writers.size; ++i) {
        const WriterHistory& writer = writers[i];
        if (!writer.read_repeated || writer.read >= writer.written) continue;
        Hazard hazard;
        hazard.kind = HazardKind::unread;
        hazard.operand = Operand::ofm;
        hazard.region = writer.region;
        hazard.operation = static_cast<std::uint32_t>(i);
        hazard.address = writer.first;
        report(*this, hazard);
    }
}

}  // namespace etb::npu
