/* The C interface of the host library: open a .pte, describe it, run it. One program is for one thread at a time.
   Every function that can fail returns 0 for success; else etb_error() has the error's text.
   etbuild/host/abi.py is generated from this file: after a change run `python -m etbuild.host.generate`. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ETB_API __attribute__((visibility("default")))

typedef struct etb_program etb_program;

/* etb_value.kind */
enum { ETB_TENSOR, ETB_INTEGER, ETB_BOOLEAN, ETB_REAL, ETB_OTHER };

/* etb_hazard.kind. ETB_UNREAD: most of the result is not read. ETB_SHARED_TABLE: with `victim`, in one chain. */
enum { ETB_NEVER_WRITTEN, ETB_OVERWRITTEN, ETB_UNREAD, ETB_SHARED_TABLE };

/* A tensor or a scalar. dtype: the number of the type in the .pte. dynamic: whether a tensor's sizes may be smaller; of
   another input, whether the program reads it and so accepts another value. data: valid until the next call for the
   program. */
typedef struct {
    int32_t kind;
    int32_t dtype;
    int32_t rank;
    int32_t dynamic;
    int32_t sizes[8];
    int32_t order[8];
    uint64_t bytes;
    const void* data;
} etb_value;

/* Bytes of memory that a run needs. */
typedef struct {
    uint64_t method;
    uint64_t planned;
    uint64_t temp;
} etb_memory;

/* What one operation of an NPU, or one kernel of the CPU, did. */
typedef struct {
    int32_t instruction;
    int32_t delegate; /* -1: the CPU; then only the names and the times are valid */
    uint32_t operation;
    uint32_t word; /* index in the command stream */
    const char* name;
    const char* overload;
    uint64_t begin_ns;
    uint64_t duration_ns;
    uint64_t macs;
    uint64_t bytes_read[8]; /* by region */
    uint64_t bytes_written[8];
    uint64_t weights;
    uint64_t zero_weights;
    int64_t min; /* of the result */
    int64_t max;
    uint64_t elements; /* of the result */
    int32_t ifm[3];    /* height, width, depth; 0 where there is none */
    int32_t ifm2[3];
    int32_t ofm[3];
} etb_event;

/* A suspicious read, or a result that is not read. */
typedef struct {
    int32_t delegate;
    int32_t kind;
    int32_t region;
    uint32_t operation;
    uint32_t writer;
    uint32_t victim;
    int64_t address;
} etb_hazard;

/* What one operation of an NPU stored. region: of memory, or -1 for a chain buffer. base, strides: bytes, of an address
   (y, x, c), where brick is NHCWB16. tiled: whether that holds for a part only. first: number of its first element in
   etb_result_values, which has [height, width, depth]. */
typedef struct {
    uint32_t operation;
    uint32_t word; /* index in the command stream */
    int32_t region;
    int32_t brick;
    int32_t tiled;
    int32_t element; /* bytes */
    int32_t shape[3];
    int64_t base;
    int64_t stride_y;
    int64_t stride_x;
    int64_t stride_c;
    uint64_t first;
    int32_t instruction; /* of etb_record; else 0 */
} etb_result;

/* Copies pte and ptd (may be NULL). fast_scratch: bytes of region 2. memory_limit: bytes, the most that the program may
   ask for altogether, with the copies of its outputs and what etb_observe records. kernels: pointers to further
   etb::Kernel, which are preferred to the library's own and stay valid. method: the number of the method that all
   other functions use, from 0. Never NULL; see etb_status. */
ETB_API etb_program* etb_open(const void* pte, size_t pte_bytes, const void* ptd, size_t ptd_bytes, size_t fast_scratch,
                              uint64_t memory_limit, const void* kernels, size_t kernel_count, size_t method);
/* The versions of the emulator that this processor can run, the fastest first; "scalar" is the last. All give the same
   bytes. NULL for another number. A program has version 0 until another is chosen. */
ETB_API size_t etb_emulators(const etb_program* program);
ETB_API const char* etb_emulator(const etb_program* program, size_t number);
ETB_API int etb_choose_emulator(etb_program* program, size_t number);
ETB_API void etb_close(etb_program* program);
ETB_API int etb_status(const etb_program* program);
ETB_API const char* etb_error(const etb_program* program);

ETB_API const char* etb_method(const etb_program* program);
ETB_API etb_memory etb_memory_used(const etb_program* program);
ETB_API size_t etb_inputs(const etb_program* program);
ETB_API size_t etb_outputs(const etb_program* program);
ETB_API size_t etb_delegates(const etb_program* program);
ETB_API int etb_input(etb_program* program, size_t index, etb_value* value);
ETB_API int etb_output(etb_program* program, size_t index, etb_value* value);

/* data is copied. A number has rank 0 and 8 bytes, a bool 1 byte, any other scalar none; each keeps its value until it
   is set again. */
ETB_API int etb_set_input(etb_program* program, size_t index, const int32_t* sizes, size_t rank, const void* data,
                          size_t bytes);
ETB_API int etb_run(etb_program* program);

/* As etb_run, and records an event per operation, and with `hazards` every suspicious read. */
ETB_API int etb_observe(etb_program* program, int hazards);
ETB_API const etb_event* etb_events(const etb_program* program, size_t* count);
ETB_API const etb_hazard* etb_hazards(const etb_program* program, size_t* count);

/* Called after each kernel and delegate of etb_record; etb_value_at has what it left. Another answer than 0 ends the
   run. */
typedef int (*etb_left)(int32_t instruction);
/* As etb_observe, and records what each operation of a delegate stored. */
ETB_API int etb_record(etb_program* program, etb_left left);
/* An entry of the method's value table. */
ETB_API int etb_value_at(etb_program* program, size_t index, etb_value* value);

/* One delegate without the rest of the program. Its inputs and outputs are plain arrays of these sizes in bytes;
   index counts the inputs, then the outputs. */
ETB_API size_t etb_delegate_inputs(const etb_program* program, size_t delegate);
ETB_API size_t etb_delegate_outputs(const etb_program* program, size_t delegate);
ETB_API uint64_t etb_delegate_bytes(const etb_program* program, size_t delegate, size_t index);
ETB_API int etb_run_delegate(etb_program* program, size_t delegate, const void* const* inputs, void* const* outputs);
/* As etb_run_delegate, and records what each operation stored, as long as there is memory, and every hazard. */
ETB_API int etb_trace_delegate(etb_program* program, size_t delegate, const void* const* inputs, void* const* outputs);
ETB_API const etb_result* etb_results(const etb_program* program, size_t* count);
ETB_API const int32_t* etb_result_values(const etb_program* program, size_t* count);
/* The operation of the last etb_run_delegate that wrote this byte of an output, or -1; etb_events has its event. */
ETB_API int64_t etb_writer(const etb_program* program, size_t delegate, size_t output, uint64_t byte);

/* etb_outcome.kind, of a command stream without its program. ETB_RAN_OUT: it ended without STOP. ETB_REFUSED: no NPU
   has this limit: more work than is run here, or `touch` failed. */
enum { ETB_STOPPED, ETB_RAN_OUT, ETB_BUS_FAULT, ETB_PARSE_FAULT, ETB_BRANCH_FAULT, ETB_WEIGHT_FAULT, ETB_REFUSED };

/* What `touch` answers for bytes that are not there; any other number but 0 refuses the stream. */
enum { ETB_READY, ETB_NO_MEMORY };

/* Called before the stream reads or writes these bytes of the window. */
typedef int (*etb_touch)(uint64_t address, uint64_t bytes, int writes);

/* config: CONFIG of the NPU. window: where address 0 of the NPU would lie. bases: of the regions. */
typedef struct {
    void* window;
    uint64_t stream;
    uint64_t stream_bytes;
    uint64_t bases[8];
    uint32_t config;
} etb_job;

/* How a stream ended. region, writes, channel, address: of the access that no memory answered. read: the offset of the
   command that was not executed, in bytes. number: belongs to text. */
typedef struct {
    int32_t kind;
    int32_t channel;
    int32_t region;
    int32_t writes;
    uint64_t offset;
    uint64_t address;
    uint64_t read;
    uint64_t macs;
    uint64_t bytes_read[8];
    uint64_t bytes_written[8];
    uint64_t number;
    const char* text;
    uint32_t irq_mask;
} etb_outcome;

/* A window of addresses that answers nowhere; parts of files are mapped into it. NULL and -1 if the host refuses. */
ETB_API void* etb_window_open(uint64_t bytes);
ETB_API int etb_window_map(void* window, uint64_t address, uint64_t bytes, int file, uint64_t offset);
ETB_API void etb_window_close(void* window, uint64_t bytes);

/* Runs a command stream; regions may overlap. The outcome's kind. */
ETB_API int etb_run_stream(const etb_job* job, etb_touch touch, etb_outcome* outcome);

#ifdef __cplusplus
}
#endif
