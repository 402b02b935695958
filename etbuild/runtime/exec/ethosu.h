// A delegate of ExecuTorch's Ethos-U backend: the blocks that Vela's result is packed into, and one run of them.
//
//   block   16 bytes of name, u32 payload bytes, u8 external, 11 zero bytes, payload padded to 16
//   stream  vela_bin_stream (empty), cmd_data, weight_data, scratch_size (u32), inputs, outputs, vela_end_stream
//   (empty) inputs, outputs   i32 count, then per tensor nine i32: shape[6], bytes of an element, offset, region
//
// The payload of an external block is the name of data in the .pte or beside it. Inputs and outputs lie in the scratch.
#pragma once

#include "kernels/value.h"
#include "npu/npu.h"
#include "pte/data_file.h"

namespace etb {

struct EthosU {
    // Where one input or output lies.
    struct Place {
        std::uint32_t row_elements;  // of its last dimension
        std::uint32_t rows;
        std::uint32_t element_bytes;
        std::uint64_t offset;  // into the scratch

        [[nodiscard]] std::uint64_t bytes() const { return std::uint64_t{rows} * row_elements * element_bytes; }
    };

    Bytes commands;
    Bytes weights;
    std::uint32_t scratch_bytes = 0;
    Bytes input_rows;
    Bytes output_rows;

    // blob: untrusted, 16-byte aligned; kept by reference. data may be null.
    static Status parse(Bytes blob, const Program& program, const DataFile* data, EthosU& out);

    [[nodiscard]] std::size_t inputs() const { return input_rows.size / 36; }
    [[nodiscard]] std::size_t outputs() const { return output_rows.size / 36; }
    [[nodiscard]] Place input(std::size_t i) const;
    [[nodiscard]] Place output(std::size_t i) const;

    // Do the arguments (inputs, then outputs) have the types and sizes that were compiled in?
    Status check(Span<Value* const> args) const;
};

// What a run of a delegate needs beside its arguments.
struct NpuMemory {
    const npu::Npu* npu;
    Arena* temp;                // scratch and what the NPU asks for; as before on return
    MutableBytes fast_scratch;  // region 2; 16-byte aligned
    bool poison;                // fill the memory before each run, so that reading what was never written shows
    const npu::Observer* observer;
};

// Bytes (with their alignment) that `run` takes from the arena.
Status temp_bytes(const EthosU& delegate, const NpuMemory& memory, std::uint64_t& bytes);

// The whole of a call: inputs to the scratch, run, outputs back. args as `check` wants them.
Status run(const EthosU& delegate, const NpuMemory& memory, Span<Value* const> args);

}  // namespace etb
