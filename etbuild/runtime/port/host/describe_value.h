// A value of a program as the host library's callers see it.
#pragma once

#include "exec/method.h"
#include "port/host/host.h"

namespace etb {

inline void describe_value(const Value& value, etb_value& out) {
    out = {};
    switch (value.type) {
        case ValueType::tensor: {
            const Tensor& tensor = *value.tensor;
            out.kind = ETB_TENSOR;
            out.dtype = static_cast<std::int32_t>(tensor.dtype);
            out.rank = tensor.rank;
            out.dynamic = tensor.resizable;
            for (int d = 0; d < tensor.rank; ++d) {
                out.sizes[d] = tensor.sizes[d];
                out.order[d] = tensor.order[d];
            }
            out.bytes = tensor.bytes();
            out.data = tensor.data;
            return;
        }
        case ValueType::integer:
        case ValueType::real:
            out.kind = value.type == ValueType::integer ? ETB_INTEGER : ETB_REAL;
            out.bytes = 8;
            out.data = &value.integer;
            return;
        case ValueType::boolean:
            out.kind = ETB_BOOLEAN;
            out.bytes = 1;
            out.data = &value.boolean;
            return;
        default:
            out.kind = ETB_OTHER;
    }
}

}  // namespace etb
