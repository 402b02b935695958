// The .pte file: a flatbuffer (identifier "ET12") and segments of data behind it.
//
//   0   u32  root table             8   "eh00"                    16  u64 bytes of the flatbuffer
//   4   "ET12"                      12  u32 bytes of this header  24  u64 where the segments start
//                                                                 32  u64 bytes of the segments, since 32-byte headers
//
// `open` checks everything once: references, segments, and every index from one table into another that a view
// follows. The header is optional; without it the whole file is the flatbuffer. The bytes stay the caller's.
#pragma once

#include "pte/flatbuffer.h"

namespace etb {

// Field ids of the tables, in the order of the schema that ExecuTorch publishes as program.fbs.
namespace field {
namespace program {
enum : unsigned {
    execution_plan = 1,
    constant_buffer,
    backend_delegate_data,
    segments,
    constant_segment,
    mutable_data_segments,
    named_data
};
}
namespace plan {
enum : unsigned { name = 0, values = 2, inputs, outputs, chains, operators, delegates, non_const_buffer_sizes };
}
namespace tensor {
enum : unsigned {
    scalar_type = 0,
    storage_offset,
    sizes,
    dim_order,
    data_buffer_idx = 5,
    allocation_info,
    shape_dynamism = 8,
    extra_tensor_info
};
}
namespace allocation {
enum : unsigned { memory_id = 0, memory_offset_low, memory_offset_high };
}
namespace extra {
enum : unsigned { mutable_data_segments_idx = 0, fully_qualified_name, location };
}
namespace evalue {
enum : unsigned { type = 0, value };
}
namespace instruction {
enum : unsigned { type = 0, arguments };
}
namespace call {  // KernelCall and DelegateCall alike
enum : unsigned { index = 0, args };
}
namespace move {
enum : unsigned { from = 0, to };
}
namespace jump {
enum : unsigned { condition = 0, destination };
}
namespace delegate {
enum : unsigned { id = 0, processed };
}
namespace reference {  // BackendDelegateDataReference
enum : unsigned { location = 0, index };
}
}  // namespace field

enum class ValueType : std::uint8_t {
    null = 1,
    integer,
    boolean,
    real,
    tensor,
    string,
    integers,
    reals,
    booleans,
    tensors,
    optional_tensors
};
enum class Instruction : std::uint8_t { kernel = 1, delegate, move, jump_false, free };

struct Program {
    Bytes file;
    Table root;

    static Status open(Bytes file, Program& out);

    [[nodiscard]] std::size_t methods() const { return root.tables(field::program::execution_plan).size; }
    [[nodiscard]] Table plan(std::size_t method) const { return root.tables(field::program::execution_plan)[method]; }

    // Initial data of a tensor: constant (index into the constants) or mutable with a first value.
    Status constant(std::uint32_t index, std::uint64_t count, Bytes& out) const;
    Status initial_state(std::uint64_t set, std::uint32_t index, std::uint64_t count, Bytes& out) const;
    Status delegate_data(Table delegate, Bytes& out) const;
    // Data under a name; mismatch when there is none of that name.
    Status named(const char* key, Bytes& out) const;

private:
    std::uint64_t segment_base_ = 0;

    Status segment(std::uint64_t index, Bytes& out) const;
    Status part_of_segment(Table offsets, std::uint32_t index, std::uint64_t count, Bytes& out) const;
};

}  // namespace etb
