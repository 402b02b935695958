// BRANCH of Ethos-U85: continues the stream at a command, given in bytes from its start, always or if the result of the
// last operation was not zero. Registers keep their values. A target that is no command of the stream is refused before
// anything runs; a stream whose branches never end is refused after a number of commands, and of multiply-accumulates.
// source: the streams that Vela makes of TOSA's COND_IF and WHILE_LOOP. The NPU has one flag; that more than one
// element would set it is not known, so a condition needs a result of one element.
#include "npu/branch.h"

namespace etb::npu {
namespace {

constexpr std::size_t row_words = 32;
constexpr std::uint32_t on_result = 1;  // a branch's condition; 0: always

std::uint32_t bit_of(std::size_t word) { return 1U << word % row_words; }

std::uint32_t ones(std::uint32_t bits) {
    std::uint32_t count = 0;
    for (; bits; bits &= bits - 1) ++count;
    return count;
}

struct Command {
    std::size_t place = 0;  // index of its first word
    std::uint32_t word = 0, second = 0;
};

// The next command. false: there is none; the stream ends, or ended with STOP.
bool next(Cursor& cursor, Command& command) {
    const bool stopped =
        cursor.position > 0 && is_operation(command.word) && static_cast<Op>(command.word & 0xFF) == Op::stop;
    command = {cursor.position / 4, 0, 0};
    if (stopped || !cursor.read(command.word).ok()) return false;
    return (command.word & kind_mask) != kind_wide || cursor.read(command.second).ok();
}

bool begins_command(const Machine& machine, std::size_t place) {
    return machine.branch_rows[place / row_words].starts & bit_of(place);
}

Status check_target(Bytes stream, std::uint32_t target, std::uint32_t index) {
    if (target % 4 || target >= stream.size) return error(Code::malformed, "BRANCH out of the stream", index);
    return {};
}

// Marks the commands, then looks at each target.
Status mark(const Machine& machine, Bytes stream) {
    Cursor cursor{stream};
    Command command;
    std::uint32_t index = 0;
    for (BranchRow& row : machine.branch_rows) row = {};
    while (next(cursor, command)) {
        BranchRow& row = machine.branch_rows[command.place / row_words];
        if (!row.starts) row.before = index;
        row.starts |= bit_of(command.place);
        if (!is_operation(command.word) && !is_branch(command.word)) continue;
        row.operations |= bit_of(command.place);
        ++index;
    }
    cursor = {stream};
    command = {};
    index = 0;
    while (next(cursor, command)) {
        if (is_branch(command.word)) {
            ETB_TRY(check_target(stream, command.second, index));
            if (!begins_command(machine, command.second / 4))
                return error(Code::malformed, "BRANCH to a word that begins no command", index);
        }
        if (is_operation(command.word) || is_branch(command.word)) ++index;
    }
    return {};
}

Status map(Machine& machine, Bytes stream) {
    ETB_TRY(machine.arena->array(stream.size / 4 / row_words + 1, machine.branch_rows));
    return machine.branch_rows.empty() ? Status() : mark(machine, stream);
}

void note(Machine& machine, const Operation& operation) {
    if (operation.code == Op::dma_start) return;
    const Shape& out = operation.out;
    const bool one = operation.uses_ofm && !operation.output_disabled && operation.ofm.storage != Storage::none &&
                     out.height == 1 && out.width == 1 && out.depth == 1;
    machine.flag = ResultFlag::unknown;
    if (!one) return;
    FeatureMap map = operation.ofm;
    map.zero_point = 0;
    std::int64_t value = 0;
    load_channels(map, 0, 0, 0, 1, &value);
    machine.flag = value ? ResultFlag::set : ResultFlag::clear;
}

Status jump(Machine& machine, std::uint32_t word, Cursor& cursor, std::uint32_t& index) {
    std::uint32_t target = 0;
    const std::uint32_t condition = word >> 16, own = index++;
    ETB_TRY(cursor.read(target));
    if (condition > on_result) return error(Code::unsupported, "BRANCH condition is not known", own);
    if (machine.planning) {
        machine.branches = true;
        return check_target(cursor.bytes, target, own);
    }
    if (condition == on_result) {
        if (machine.flag == ResultFlag::unknown)
            return error(Code::unsupported, "BRANCH on a result that is not of one element", own);
        if (machine.flag == ResultFlag::clear) return {};
    }
    if (machine.commands > machine.command_limit || machine.done > machine.work_limit)
        return error(Code::timeout, "BRANCH after more work than the limit", own);
    const BranchRow& row = machine.branch_rows[target / 4 / row_words];
    cursor.position = target;
    index = row.before + ones(row.operations & (bit_of(target / 4) - 1));
    return {};
}

}  // namespace

const Branching branching_u85 = {map, note, jump};

}  // namespace etb::npu
