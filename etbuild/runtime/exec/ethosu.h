// A delegate of ExecuTorch's EthosUBackend: parsing its processed data (the "vela_bin_stream" blocks in which the
// ahead-of-time backend packs Vela's output), and running it.
//
//   block    name[16], u32 payload bytes, u8 external, 11 zero bytes, payload padded to a multiple of 16
//   stream   vela_bin_stream (empty), cmd_data, weight_data, scratch_size (u32), inputs, outputs,
//            vela_end_stream (empty)
//   inputs, outputs   i32 count, then per tensor nine i32: shape[6], element size in bytes, offset, region
//
// The payload of an external block is the name of data in the .pte or in a .ptd file. Inputs and outputs are in the
// scratch (region 1).
#pragma once

#include "kernels/value.h"
#include "npu/npu.h"
#include "pte/data_file.h"

namespace etb {

struct EthosU {
    // The location of one input or output in the scratch.
    struct Place {
        std::uint32_t row_elements;  // size of the last dimension
        std::uint32_t rows;          // product of the other dimensions
        std::uint32_t element_bytes;
        std::uint64_t offset;  // into the scratch

        [[nodiscard]] std::uint64_t bytes() const { return std::uint64_t{rows} * row_elements * element_bytes; }
    };

    Bytes commands;  // the driver payload (npu/config.h)
    Bytes weights;
    std::uint32_t scratch_bytes = 0;
    Bytes input_rows;  // 36 bytes per tensor
    Bytes output_rows;

    // blob: untrusted, 16-byte aligned; `out` refers to it. data may be null.
    static Status parse(Bytes blob, const Program& program, const DataFile* data, EthosU& out);

    [[nodiscard]] std::size_t inputs() const { return input_rows.size / 36; }
    [[nodiscard]] std::size_t outputs() const { return output_rows.size / 36; }
    [[nodiscard]] Place input(std::size_t i) const;
    [[nodiscard]] Place output(std::size_t i) const;

    // Checks that the arguments (inputs, then outputs) have the types and sizes that the delegate was compiled for.
    Status check(Span<Value* const> args) const;
};

// The NPU and the memory for a run of a delegate.
struct NpuMemory {
    const npu::Npu* npu;
    Arena* temp;                // for the scratch and the NPU's own scratch; restored on return
    MutableBytes fast_scratch;  // region 2; 16-byte aligned
    bool poison;  // fill scratch and fast scratch before each run, so that reads of unwritten bytes show up
    const npu::Observer* observer;
};

// Bytes, alignment included, that `run` allocates from the arena.
Status temp_bytes(const EthosU& delegate, const NpuMemory& memory, std::uint64_t& bytes);

// Runs the delegate: copies the inputs to the scratch, runs the NPU, copies the outputs back. args: inputs, then
// outputs.
Status run(const EthosU& delegate, const NpuMemory& memory, Span<Value* const> args);

}  // namespace etb
