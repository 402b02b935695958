#include "kernels/pointwise.h"

namespace etb {
namespace {

template <class T>
void run_rows(RowStep<T> step, Operands operands, const Tensor& out, Walk& walk) {
    T rows[4][most_lanes];
    const int count = static_cast<int>(operands.size);
    for (; walk.run(); walk.next()) {
        for (std::int32_t done = 0; done < walk.run(); done += most_lanes) {
            const int lanes = walk.run() - done < most_lanes ? walk.run() - done : most_lanes;
            for (int v = 0; v < count; ++v)
                load_lanes(operands[static_cast<std::size_t>(v)]->tensor(), walk.at(v + 1) + done * walk.step(v + 1),
                           walk.step(v + 1), lanes, rows[v]);
            step(rows[0], rows[1], rows[2], rows[3], lanes);
            store_lanes(out, walk.at(0) + done * walk.step(0), walk.step(0), lanes, rows[0]);
        }
    }
}

// `dims` permuted to the dim_order of `tensor`, so that the walk is in the order of its memory.
Dims in_memory_order(const Dims& dims, const Tensor& tensor) {
    Dims arranged;
    for (int d = 0; d < tensor.rank; ++d) arranged.push(dims[tensor.order[d]]);
    return arranged;
}

}  // namespace

Operand::Operand(Args& args, std::size_t i) { read(args, i); }

Operand::Operand(double number) { hold(number); }

void Operand::read(Args& args, std::size_t i) {
    if (args.value(i).type == ValueType::tensor) {
        tensor_ = args.tensor(i);
        args.demand(computes(tensor_.dtype), "operator does not compute with this type",
                    static_cast<std::uint64_t>(tensor_.dtype));
    } else if (args.is_float(i)) {
        hold(args.number(i));
    } else {
        integer_ = args.integer(i);
        tensor_.dtype = args.value(i).type == ValueType::boolean ? DType::boolean : DType::i64;
        tensor_.data = reinterpret_cast<std::uint8_t*>(&integer_);
    }
}

void Operand::hold(double number) {
    real_ = number;
    tensor_.dtype = DType::f64;
    tensor_.data = reinterpret_cast<std::uint8_t*>(&real_);
}

Status run_pointwise(Args& args, const Pointwise& work, Operands operands, Tensor& out) {
    ETB_TRY(args.status);
    bool floats = work.on_integers == nullptr;
    Dims sizes;
    for (const Operand* operand : operands) {
        floats = floats || operand->floating();
        sizes = broadcast_sizes(args, sizes, Dims(operand->tensor()));
    }
    args.demand(computes(out.dtype), "operator does not give this type", static_cast<std::uint64_t>(out.dtype));
    args.demand(!floats || is_float(out.dtype) || out.dtype == DType::boolean,
                "result is floating point, its tensor is not: type", static_cast<std::uint64_t>(out.dtype));
    ETB_TRY(args.status);
    ETB_TRY(resize(out, sizes));
    Dims steps[Walk::most_views];
    steps[0] = in_memory_order(strides(out), out);
    for (std::size_t v = 0; v < operands.size; ++v)
        steps[v + 1] = in_memory_order(broadcast_strides(args, operands[v]->tensor(), sizes), out);
    ETB_TRY(args.status);
    Walk walk(in_memory_order(sizes, out), {steps, operands.size + 1});
    if (floats) {
        run_rows(work.on_floats, operands, out, walk);
    } else {
        run_rows(work.on_integers, operands, out, walk);
    }
    return {};
}

}  // namespace etb
