// A method of a program, ready to run: its values, its kernels, its delegates, and the loop over its instructions.
//
// Everything that can be known before the first instruction is checked by `load`: indices, shapes, memory, kernels,
// delegates, arenas. It allocates from the caller's arenas only and keeps no global state.
#pragma once

#include "exec/ethosu.h"
#include "kernels/kernel.h"

namespace etb {

// What a method works with. All of it outlives the method.
struct Resources {
    Arena* method = nullptr;           // what `load` keeps
    Arena* temp = nullptr;             // what a delegate takes while it runs
    Span<const MutableBytes> planned;  // memory_id m is planned[m - 1]; 16-byte aligned
    MutableBytes fast_scratch;         // region 2 of delegates; 16-byte aligned
    KernelTable kernels;
    const npu::Npu* npu = nullptr;                 // null where no delegate is called
    const DataFile* data = nullptr;                // a .ptd, null where there is none
    std::uint32_t most_instructions = 10'000'000;  // of a run: a program may jump to itself for ever
    bool poison = false;                           // see NpuMemory
};

// An instruction, as it is reported: the operator's or delegate's name, "" otherwise.
struct Place {
    std::uint32_t instruction = 0;
    Instruction kind = Instruction::kernel;
    std::uint32_t index = 0;  // of the operator or delegate
    const char* name = "";
    const char* overload = "";
};

// Called round each instruction; each may be null.
struct Monitor {
    void* context = nullptr;
    void (*before)(void* context, const Place& place) = nullptr;
    void (*after)(void* context, const Place& place) = nullptr;
    const npu::Observer* npu = nullptr;
};

class Method {
public:
    // program outlives the method. After an error `place()` says where.
    Status load(const Program& program, std::size_t index, const Resources& resources);
    Status run(const Monitor& monitor);
    // Bytes of temporary memory that the hungriest delegate takes.
    Status temp_needed(std::uint64_t& bytes);

    [[nodiscard]] const char* name() const { return plan_.string(field::plan::name); }
    [[nodiscard]] std::size_t inputs() const { return plan_.vector<std::int32_t>(field::plan::inputs).size; }
    [[nodiscard]] std::size_t outputs() const { return plan_.vector<std::int32_t>(field::plan::outputs).size; }
    [[nodiscard]] Value& input(std::size_t i) { return values_[value_index(field::plan::inputs, i)]; }
    [[nodiscard]] Value& output(std::size_t i) { return values_[value_index(field::plan::outputs, i)]; }

    // A tensor with planned memory takes a copy; one without keeps a reference to `data`, for as long as it runs.
    Status set_input(std::size_t i, const Dims& sizes, MutableBytes data);
    // Memory for an output that has none planned.
    Status set_output(std::size_t i, MutableBytes data);

    [[nodiscard]] Span<const EthosU> delegates() const { return delegates_; }
    // One delegate alone, for comparing it with a reference.
    Status run_delegate(std::size_t index, Span<Value* const> args, const npu::Observer* observer);

    [[nodiscard]] const Place& place() const { return place_; }
    [[nodiscard]] const Table& plan() const { return plan_; }

private:
    const Program* program_ = nullptr;
    Resources resources_;
    Table plan_;
    Span<Value> values_;
    Span<const Kernel*> kernels_;  // by operator
    Span<EthosU> delegates_;
    Span<Value*> args_;  // of the instruction that runs
    Place place_;

    [[nodiscard]] std::size_t value_index(unsigned list, std::size_t i) const {
        return static_cast<std::size_t>(plan_.vector<std::int32_t>(list)[i]);
    }
    [[nodiscard]] NpuMemory npu_memory(const npu::Observer* observer) const {
        return {resources_.npu, resources_.temp, resources_.fast_scratch, resources_.poison, observer};
    }
    Status load_values();
    Status load_list(ValueType type, Table table, Value& value);
    Status load_tensor(Table table, Tensor& tensor);
    Status load_memory(Table table, Tensor& tensor);
    Status find_kernels();
    Status load_delegates();
    Status check_instructions();
    Status check_call(Table arguments, std::size_t limit, std::size_t& most);
    Status check_temp();
    void set_place(std::uint32_t index, Instruction kind, Table arguments);
    Span<Value* const> gather(Table call);
    Status step(Table instruction, const npu::Observer* observer, std::uint32_t& next);
    Status is_true(const Value& condition, bool& yes) const;
};

}  // namespace etb
