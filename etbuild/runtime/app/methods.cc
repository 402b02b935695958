#include "app/methods.h"

#include "app/frame.h"
#include "base/little_endian.h"

namespace etb::app {

Bytes take_block(Bytes& blocks) {
    constexpr std::size_t head_bytes = 24, size_at = 20;
    std::size_t size = blocks.size;
    if (size >= head_bytes && load<std::uint32_t>(blocks.data + size_at) < size)
        size = load<std::uint32_t>(blocks.data + size_at);
    const Bytes block{blocks.data, size};
    blocks = {blocks.data + size, blocks.size - size};
    return block;
}

std::uint32_t vectors_in(Bytes blocks) {
    std::uint32_t count = 0;
    while (blocks.size) {
        Vectors vectors;
        const Bytes block = take_block(blocks);
        if (!block.size || !Vectors::open(block, vectors).ok()) break;
        count += vectors.count;
    }
    return count;
}

void send_method(const Method& method, const Vectors& vectors) {
    Frame frame('N');
    frame.u32(vectors.count);
    frame.u32(static_cast<std::uint32_t>(method.outputs()));
    frame.text(method.name());
    frame.send();
}

}  // namespace etb::app
