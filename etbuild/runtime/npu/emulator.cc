// The loop over a command stream. A job takes two passes: the first validates the whole stream and computes the memory
// and work that it needs, the second runs it. In a stream without branches only the indices of an indexed DMA, which
// are data, remain to be checked in the second; after a branch every operation is checked again, with the registers it
// finds.
#include "npu/emulator.h"

#include "npu/branch.h"

namespace etb::npu {
namespace {

using Visit = Verdict (*)(Machine& machine, const Family& family, Operation& operation);

const Family* family_of(const Emulator& emulator, Product product) {
    return product == Product::ethos_u85 ? emulator.u85 : emulator.u55_u65;
}

bool is_known(const Config& config, bool wide, std::uint32_t code) {
    return known_registers[static_cast<int>(config.product)][wide ? 1 : 0][(code & 0xFF) >> 3] >> (code & 7) & 1;
}

// Sets one register. For a wide register it reads the second word.
Status set_register(const Config& config, std::uint32_t word, Cursor& cursor, Registers& registers) {
    const std::uint32_t code = word & code_mask, place = static_cast<std::uint32_t>(cursor.position / 4 - 1);
    const auto parameter = static_cast<std::uint16_t>(word >> 16);
    if ((word & kind_mask) == kind_wide) {
        if (code > 0xFF || !is_known(config, true, code))
            return error(Code::unsupported, "unknown two-word command at word", place);
        registers.high[code] = parameter;
        return cursor.read(registers.low[code]);
    }
    if ((word & kind_mask) != 0 || code < 0x100 || code > 0x1FF || !is_known(config, false, code))
        return error(Code::unsupported, "unknown command at word", place);
    registers.narrow[code & 0xFF] = parameter;
    return {};
}

bool has_no_effect(Op code) {
    return code == Op::irq || code == Op::dma_wait || code == Op::kernel_wait || code == Op::pmu_mask;
}

// A chained OFM becomes readable after its operation only, since the operation may read the same chain buffer. It is
// therefore written to the spare buffer, which is swapped in here.
void commit_chain(Machine& machine, const Operation& operation) {
    if (!operation.uses_ofm || operation.ofm.storage != Storage::chain) return;
    Chain& chain = machine.chains[operation.ofm.region];
    std::uint8_t* const written = machine.spare_chain;
    machine.spare_chain = chain.memory;
    chain = {written, operation.out, operation.ofm.element};
    const std::uint64_t bytes =
        std::uint64_t{operation.ofm.element} * static_cast<std::uint64_t>(operation.out.height) *
        static_cast<std::uint64_t>(operation.out.width) * static_cast<std::uint64_t>(operation.out.depth);
    if (bytes > machine.chain_bytes) machine.chain_bytes = bytes;
    machine.chains_used = static_cast<std::uint8_t>(machine.chains_used | 1U << operation.ofm.region);
}

// Decodes the stream and calls `visit` for each operation that accesses memory. While planning it takes no branch: the
// commands are visited as they lie.
Status walk(Machine& machine, const Family& family, Bytes stream, Visit visit) {
    Registers registers;
    Cursor cursor{stream};
    std::uint32_t word = 0, index = 0;
    while (cursor.left() > 0) {
        ETB_TRY(cursor.read(word));
        ++machine.commands;
        if (family.branching && is_branch(word)) {
            ETB_TRY(family.branching->jump(machine, word, cursor, index));
            continue;
        }
        if (!is_operation(word)) {
            ETB_TRY(set_register(machine.config, word, cursor, registers));
            continue;
        }
        Operation operation;
        operation.index = index++;
        operation.word = static_cast<std::uint32_t>(cursor.position / 4 - 1);
        operation.code = static_cast<Op>(word & 0xFF);
        operation.mode = static_cast<std::uint16_t>(word >> 16);
        operation.config = &machine.config;
        operation.registers = &registers;
        operation.machine = &machine;
        if (operation.code == Op::stop) return {};
        if (has_no_effect(operation.code)) continue;
        const Verdict verdict = visit(machine, family, operation);
        if (!verdict.ok()) return Status{verdict.refusal->code, verdict.refusal->text, operation.index};
        commit_chain(machine, operation);
    }
    return error(Code::truncated, "command stream without STOP", index);
}

std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) { return a + b < a ? UINT64_MAX : a + b; }

Verdict plan_one(Machine& machine, const Family& family, Operation& operation) {
    ETB_ACCEPT(family.describe(machine, *operation.registers, operation));
    machine.work = saturating_sum(machine.work, operation.macs);
    const std::size_t mark = machine.arena->mark();
    const Verdict verdict = family.execute(machine, operation);
    machine.arena->release(mark);
    return verdict;
}

Verdict run_one(Machine& machine, const Family& family, Operation& operation) {
    ETB_ACCEPT(family.describe(machine, *operation.registers, operation));
    const Observer* const observer = machine.observer;
    if (observer && observer->before) observer->before(observer->context, operation);
    const std::size_t mark = machine.arena->mark();
    const Verdict verdict = family.execute(machine, operation);
    machine.arena->release(mark);
    if (verdict.ok() && machine.branches) family.branching->note(machine, operation);
    machine.done = saturating_sum(machine.done, operation.macs);
    if (verdict.ok() && observer && observer->after) observer->after(observer->context, operation);
    return verdict;
}

// Allocates the memory that lives as long as the job: tables, accumulators, chain buffers, the map of branches.
Status allocate_state(Machine& machine, const Family& family, Bytes stream) {
    ETB_TRY(machine.arena->allocate(machine.config.tables_size, 16, machine.tables));
    ETB_TRY(machine.arena->array(machine.accumulator_count, machine.accumulators.values));
    MutableBytes bytes;
    if (machine.chains_used) {
        ETB_TRY(machine.arena->allocate(machine.chain_bytes, 16, bytes));
        machine.spare_chain = bytes.data;
    }
    for (int i = 0; i < 8; ++i) {
        if (!(machine.chains_used >> i & 1)) continue;
        ETB_TRY(machine.arena->allocate(machine.chain_bytes, 16, bytes));
        machine.chains[i].memory = bytes.data;
    }
    for (std::uint8_t& byte : machine.tables) byte = 0;
    return machine.branches ? family.branching->map(machine, stream) : Status();
}

// The first pass. Afterwards `machine` holds the sizes that the job needs, and the peak of its counting arena is the
// largest scratch of one operation.
Status plan(Machine& machine, const Family& family, Bytes stream) {
    machine.planning = true;
    ETB_TRY(walk(machine, family, stream, plan_one));
    for (Chain& chain : machine.chains) chain = {};
    machine.spare_chain = nullptr;
    machine.accumulators = {};
    machine.commands = 0;
    machine.planning = false;
    return {};
}

Status start(const Emulator& emulator, Bytes payload, Machine& machine, const Family*& family, Bytes& stream) {
    Payload parsed;
    ETB_TRY(parse_payload(payload, parsed));
    machine.config = parsed.config;
    stream = parsed.stream;
    family = family_of(emulator, parsed.config.product);
    if (!family) return error(Code::mismatch, "compiled for an NPU family that is not built in", parsed.config.word);
    return {};
}

Status scratch_size(const void* context, Bytes payload, std::uint64_t& bytes) {
    const Family* family = nullptr;
    Bytes stream;
    Machine machine;
    ETB_TRY(start(*static_cast<const Emulator*>(context), payload, machine, family, stream));
    Arena operations = Arena::counter();
    machine.arena = &operations;
    ETB_TRY(plan(machine, *family, stream));
    Arena state = Arena::counter();
    machine.arena = &state;
    ETB_TRY(allocate_state(machine, *family, stream));
    bytes = std::uint64_t{state.used} + operations.peak + 16;
    return {};
}

Status run_walked(Machine& machine, const Family& family, Bytes stream, Arena& scratch) {
    machine.arena = &scratch;
    const std::size_t mark = scratch.mark();
    Status status = allocate_state(machine, family, stream);
    if (status.ok()) status = walk(machine, family, stream, run_one);
    scratch.release(mark);
    return status;
}

Status run(const void* context, const Job& job, Arena& scratch) {
    const auto& emulator = *static_cast<const Emulator*>(context);
    const Family* family = nullptr;
    Bytes stream;
    Machine machine;
    ETB_TRY(start(emulator, job.payload, machine, family, stream));
    machine.regions = job.regions;
    machine.has_regions = true;
    machine.observer = job.observer;
    machine.work_limit = emulator.work_limit;
    machine.command_limit = emulator.command_limit;
    Arena operations = Arena::counter();
    machine.arena = &operations;
    ETB_TRY(plan(machine, *family, stream));
    if (machine.work > emulator.work_limit) return error(Code::timeout, "more work than the limit", machine.work);
    return run_walked(machine, *family, stream, scratch);
}

}  // namespace

Npu emulated_npu(const Emulator& emulator) { return {&emulator, scratch_size, run}; }

Verdict take_bytes(Machine& machine, std::uint64_t count, MutableBytes& out) {
    if (machine.arena->allocate(count, 8, out).ok()) return {};
    if (machine.branches)
        return ETB_REFUSE(mismatch, "memory was planned for other registers than a branch led here with");
    return ETB_REFUSE(no_memory, "scratch arena is too small");
}

namespace {

Verdict access_region(const Machine& machine, std::uint8_t region, std::int64_t address, std::uint64_t size,
                      bool writes, Bytes& out) {
    if (!machine.has_regions) return {};
    const Region& whole = machine.regions.at[region];
    const auto at = static_cast<std::uint64_t>(address);
    if (address < 0 || !Bytes{whole.data, whole.size}.holds(at, size))
        return ETB_REFUSE(out_of_bounds, "reads outside its region");
    if (writes && !whole.writable) return ETB_REFUSE(out_of_bounds, "writes a region that is read-only");
    const Reach* const reach = machine.regions.reach;
    if (reach && !reach->touch(reach->context, region, at, size, writes))
        return ETB_REFUSE(out_of_bounds, "no memory answers");
    out = {whole.data + address, static_cast<std::size_t>(size)};
    return {};
}

}  // namespace

Verdict read_region(const Machine& machine, std::uint8_t region, std::int64_t address, std::uint64_t size, Bytes& out) {
    return access_region(machine, region, address, size, false, out);
}

Verdict write_region(const Machine& machine, std::uint8_t region, std::int64_t address, std::uint64_t size,
                     MutableBytes& out) {
    Bytes bytes;
    ETB_ACCEPT(access_region(machine, region, address, size, true, bytes));
    out = {const_cast<std::uint8_t*>(bytes.data), bytes.size};
    return {};
}

}  // namespace etb::npu
