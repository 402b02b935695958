// A method of a program: its values, kernels and delegates, and the loop over its instructions.
//
// `load` checks everything that does not depend on the inputs: indices, shapes, memory, kernels, delegates, arenas.
// Memory comes from the caller's arenas only; there is no global state.
#pragma once

#include "exec/ethosu.h"
#include "kernels/kernel.h"

namespace etb {

// The memory, kernels and NPU that a method uses. All of it must outlive the method.
struct Resources {
    Arena* method = nullptr;           // allocations of `load`, as long as the method lives
    Arena* temp = nullptr;             // temporary memory of a delegate while it runs
    Span<const MutableBytes> planned;  // memory-planned buffers: memory_id m is planned[m - 1]; 16-byte aligned
    MutableBytes fast_scratch;         // region 2 of delegates; 16-byte aligned
    KernelTable kernels;
    const npu::Npu* npu = nullptr;                 // null if the method calls no delegate
    const DataFile* data = nullptr;                // the .ptd file, or null
    std::uint32_t most_instructions = 10'000'000;  // limit per run, against endless loops
    bool poison = false;                           // see NpuMemory
};

// The instruction that runs or failed, for error messages and monitors. name: of the operator or delegate, else "".
struct Place {
    std::uint32_t instruction = 0;
    Instruction kind = Instruction::kernel;
    std::uint32_t index = 0;  // of the operator or delegate
    const char* name = "";
    const char* overload = "";
};

// Callbacks before and after each instruction, and the observer of the NPU's operations; each may be null.
struct Monitor {
    void* context = nullptr;
    void (*before)(void* context, const Place& place) = nullptr;
    void (*after)(void* context, const Place& place) = nullptr;
    const npu::Observer* npu = nullptr;
};

class Method {
public:
    // program must outlive the method. After an error `place()` is the instruction, operator or value concerned.
    Status load(const Program& program, std::size_t index, const Resources& resources);
    Status run(const Monitor& monitor);
    // The largest number of bytes that a delegate needs of the temp arena.
    Status temp_needed(std::uint64_t& bytes);

    [[nodiscard]] const char* name() const { return plan_.string(field::ExecutionPlan::name); }
    [[nodiscard]] std::size_t inputs() const { return plan_.vector<std::int32_t>(field::ExecutionPlan::inputs).size; }
    [[nodiscard]] std::size_t outputs() const { return plan_.vector<std::int32_t>(field::ExecutionPlan::outputs).size; }
    [[nodiscard]] std::size_t values() const { return values_.size; }
    [[nodiscard]] const Value& value(std::size_t i) const { return values_[i]; }
    [[nodiscard]] Value& input(std::size_t i) { return values_[value_index(field::ExecutionPlan::inputs, i)]; }
    [[nodiscard]] Value& output(std::size_t i) { return values_[value_index(field::ExecutionPlan::outputs, i)]; }

    // Copies `data` into an input with planned memory. An input without refers to `data`, which must then stay valid
    // and may be written by a kernel that updates its input in place.
    // An input that is no tensor takes the bytes of its value, with rank 0: a number 8, a bool 1, all others none. It
    // has a value from the program, and accepts another only if the program reads it.
    Status set_input(std::size_t i, const Dims& sizes, MutableBytes data);
    // Memory for an output without planned memory; must stay valid.
    Status set_output(std::size_t i, MutableBytes data);

    // Whether an instruction, a list or the outputs refer to a value of this method. In scalar_inputs.cc.
    [[nodiscard]] bool is_read(const Value& value) const;

    [[nodiscard]] Span<const EthosU> delegates() const { return delegates_; }
    // Runs a single delegate, to compare it with a reference.
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
    Span<Value*> args_;  // arguments of the current instruction
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
    Status set_scalar(std::size_t i, const Dims& sizes, Bytes data);  // in scalar_inputs.cc
    void set_place(std::uint32_t index, Instruction kind, Table arguments);
    Span<Value* const> gather(Table call);
    Status step(Table instruction, const npu::Observer* observer, std::uint32_t& next);
    Status is_true(const Value& condition, bool& yes) const;
};

}  // namespace etb
