// A stand-in for ExecuTorch's runtime, with the interfaces of its headers: one method, which negates three floats.
// What it asks of a firmware is what the real one asks: variables through .got, log lines, memory of every allocator,
// a handle on the heap for each delegate, and abort() when it gives up.
#include <executorch/runtime/core/evalue.h>
#include <executorch/runtime/executor/method.h>
#include <executorch/runtime/executor/program.h>
#include <executorch/runtime/platform/platform.h>
#include <executorch/runtime/platform/runtime.h>

#include <cstdlib>
#include <cstring>

// Of the delegate's library, if it is linked; the real one is called through a table.
extern "C" [[gnu::weak]] void* stand_in_delegate_init();
extern "C" [[gnu::weak]] int stand_in_delegate_execute(void* handle);

// Not static: position-independent code finds it through .got.
int factor_of_executorch = -1;
// Of the temporary memory, in bytes: that of a test.
#ifndef TEMPORARY_BYTES
#define TEMPORARY_BYTES 64
#endif

namespace executorch::runtime {

namespace {

void log(const char* text) { et_pal_emit_log_message(0, kInfo, "stand-in", "log", 1, text, std::strlen(text)); }

etensor::TensorImpl::SizesType sizes_in[] = {1, 4}, sizes_out[] = {1, 3};
etensor::TensorImpl* tensors[2];
void* handle = nullptr;
EValue* output = nullptr;

}  // namespace

void runtime_init() { et_pal_init(); }

void runtime_abort() {
    et_pal_abort();
    std::abort();
}

namespace internal {

et_timestamp_t get_log_timestamp() { return et_pal_current_ticks(); }

void vlogf(LogLevel, et_timestamp_t, const char*, const char*, size_t, const char* format, va_list) { log(format); }

Result<FreeableBuffer> PteDataMap::get_data(std::string_view) const { return Error::NotFound; }

Result<uint32_t> PteDataMap::get_num_keys() const { return Error::NotFound; }

Result<const char*> PteDataMap::get_key(uint32_t) const { return Error::NotFound; }

}  // namespace internal

namespace etensor {

TensorImpl::TensorImpl(ScalarType type, ssize_t dim, SizesType* sizes, void* data, DimOrderType* order,
                       StridesType* strides, TensorShapeDynamism dynamism, DeviceType device, DeviceIndex index)
    : sizes_(sizes),
      dim_order_(order),
      strides_(strides),
      data_(data),
      dim_(dim),
      numel_(sizes[0] * sizes[1]),
      numel_bound_(static_cast<size_t>(numel_)),
      type_(type),
      shape_dynamism_(dynamism),
      device_(device, index) {}

size_t TensorImpl::nbytes() const { return static_cast<size_t>(numel_) * sizeof(float); }

}  // namespace etensor

Result<Program> Program::load(DataLoader* loader, Verification) {
    Result<FreeableBuffer> data = loader->load(0, 64, DataLoader::SegmentInfo(DataLoader::SegmentInfo::Type::Program));
    if (!data.ok()) return data.error();
    const void* root = data->data();
    return Program(loader, 0, std::move(*data), static_cast<const executorch_flatbuffer::Program*>(root),
                   FreeableBuffer(), std::nullopt);
}

Result<const char*> Program::get_method_name(size_t) const { return "forward"; }

Result<MethodMeta> Program::method_meta(const char*) const { return MethodMeta(nullptr); }

MethodMeta::MethodMeta(const executorch_flatbuffer::ExecutionPlan* plan) : s_plan_(plan) {}

size_t MethodMeta::num_memory_planned_buffers() const { return 1; }

Result<int64_t> MethodMeta::memory_planned_buffer_size(size_t) const { return 32; }

Result<Method> Program::load_method(const char*, MemoryManager* memory, EventTracer*, const NamedDataMap*,
                                    const LoadBackendOptionsMap*, Span<const Kernel>) const {
    if (stand_in_delegate_init && !(handle = stand_in_delegate_init())) {
        log("no memory for a handle");
        return Error::MemoryAllocationFailed;
    }
    auto* values = memory->method_allocator()->allocateList<EValue>(2);
    auto* impls = memory->method_allocator()->allocateList<etensor::TensorImpl>(2);
    if (!values || !impls) return Error::MemoryAllocationFailed;
    for (int i = 0; i < 2; ++i) {
        const Result<void*> at = memory->planned_memory()->get_offset_address(0, i ? 0 : 16, 16);
        if (!at.ok()) return at.error();
        tensors[i] = new (&impls[i]) etensor::TensorImpl(etensor::ScalarType::Float, 2, i ? sizes_out : sizes_in, *at);
    }
    output = new (&values[1]) EValue(etensor::Tensor(tensors[1]));
    log("loaded");
    return Method(this, memory, nullptr, memory->temp_allocator());
}

Method::~Method() = default;

size_t Method::inputs_size() const { return 1; }

size_t Method::outputs_size() const { return 1; }

Error Method::get_inputs(EValue* inputs, size_t) {
    new (&inputs[0]) EValue(etensor::Tensor(tensors[0]));
    return Error::Ok;
}

const EValue& Method::get_output(size_t) const { return *output; }

Error Method::execute() {
    const auto* in = static_cast<const float*>(tensors[0]->data());
    auto* temporary = static_cast<char*>(temp_allocator_->allocate(TEMPORARY_BYTES, 16));
    if (!temporary) return Error::MemoryAllocationFailed;
    temporary[0] = temporary[TEMPORARY_BYTES - 1] = 1;
    if (in[0] > 2.0f) {
        log("beyond 2");
        std::abort();
    }
    if (stand_in_delegate_execute && stand_in_delegate_execute(handle)) return Error::InvalidProgram;
    for (int i = 0; i < 3; ++i) tensors[1]->mutable_data<float>()[i] = static_cast<float>(factor_of_executorch) * in[i];
    temp_allocator_->reset();
    return Error::Ok;
}

}  // namespace executorch::runtime
