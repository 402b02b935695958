// String functions of the C library, byte by byte. The runtime uses them on short names only; newlib's are larger.
#include <cstddef>

// Otherwise the compiler would replace, for example, the loop of strlen by a call of strlen.
#define ETB_PLAIN_LOOP __attribute__((optimize("no-tree-loop-distribute-patterns")))

extern "C" {
int strcmp(const char* a, const char* b);
int strncmp(const char* a, const char* b, std::size_t most);
std::size_t strlen(const char* text);
int memcmp(const void* a, const void* b, std::size_t count);
}

extern "C" ETB_PLAIN_LOOP int strncmp(const char* a, const char* b, std::size_t most) {
    for (; most; --most, ++a, ++b) {
        const int difference = static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
        if (difference || !*a) return difference;
    }
    return 0;
}

extern "C" ETB_PLAIN_LOOP int strcmp(const char* a, const char* b) {
    return strncmp(a, b, static_cast<std::size_t>(-1));
}

extern "C" ETB_PLAIN_LOOP std::size_t strlen(const char* text) {
    const char* end = text;
    while (*end) ++end;
    return static_cast<std::size_t>(end - text);
}

extern "C" ETB_PLAIN_LOOP int memcmp(const void* a, const void* b, std::size_t count) {
    const auto* left = static_cast<const unsigned char*>(a);
    const auto* right = static_cast<const unsigned char*>(b);
    for (; count; --count, ++left, ++right)
        if (*left != *right) return *left - *right;
    return 0;
}
