// Compares integer arithmetic for float64 with the host's float64. Prints the
// first difference and ends with 1.
#include "kernels/factor.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include "base/double_of.h"

namespace {

std::uint64_t bits_of(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

double number(std::uint64_t bits) {
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

std::uint64_t state = 1;
std::uint64_t random_bits() { // xorshift
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

unsigned long cases = 0;

void demand(bool is_true, const char *what, double a, double b) {
  ++cases;
  if (is_true)
    return;
  std::printf("%s: %a, %a\n", what, a, b);
  std::exit(1);
}

// The factor itself and its neighbours, with the size and its neighbours.
void compare(double exact, std::uint32_t size) {
  for (int by = -2; by <= 2; ++by) {
    const double factor =
        number(bits_of(exact) + static_cast<std::uint64_t>(by));
    if (!(factor > 0x1p-40 && factor < 65536))
      continue;
    etb::Factor ours;
    demand(etb::Factor::from(bits_of(factor), ours), "refused", factor, 0);
    demand(ours.inverse() == static_cast<float>(1.0 / factor), "inverse",
           factor, 0);
    for (std::int64_t n = size > 1 ? size - 1 : 1;
         n <= size + std::int64_t{1} && n <= INT32_MAX; ++n) {
      const double whole = std::floor(static_cast<double>(n) * factor);
      demand(ours.floor_of(static_cast<std::int32_t>(n)) ==
                 (whole <= INT32_MAX ? whole : 0),
             "floor", factor, static_cast<double>(n));
    }
  }
}

void compare_integer(std::int64_t n) {
  demand(bits_of(etb::double_by_integers(n)) == bits_of(static_cast<double>(n)),
         "double_by_integers", static_cast<double>(n), 0);
}

} // namespace

int main() {
  for (std::uint32_t in = 1; in <= 512; ++in)
    for (std::uint32_t out = 1; out <= 512; ++out) {
      compare(static_cast<double>(out) / in, in);
      const double scale = 1.0 / (static_cast<double>(out) / in);
      demand(static_cast<float>(scale) ==
                 static_cast<float>(in) / static_cast<float>(out),
             "sizes", in, out);
    }
  for (std::uint32_t in = 1; in <= 40; ++in) // as they are written
    for (int k = 1; k <= 10000; ++k)
      compare(k / 1000.0, in);
  for (int i = 0; i < 300000; ++i) {
    const std::uint64_t word = random_bits();
    // All mantissas; exponents from -32 to 15.
    const double factor =
        number((word >> 12) | ((1023 - 32 + (word & 0xFFF) % 48) << 52));
    const std::uint32_t size =
        static_cast<std::uint32_t>(random_bits()) >> (1 + (word >> 20) % 31);
    compare(factor, size ? size : 1);
    // The middle of two floats, whose inverse is rounded twice.
    compare(
        1.0 / number(bits_of(static_cast<double>(static_cast<float>(factor))) |
                     0x10000000),
        size ? size : 1);
    const auto in = static_cast<double>(1 + word % 0xFFFFFF);
    const auto out = static_cast<double>(1 + (word >> 30) % 0xFFFFFF);
    demand(static_cast<float>(1.0 / (out / in)) ==
               static_cast<float>(in) / static_cast<float>(out),
           "sizes", in, out);
  }
  etb::Factor factor;
  for (const double wrong :
       {0.0, -0.0, -1.0, 65536.0, HUGE_VAL, -HUGE_VAL, std::nan("")})
    demand(!etb::Factor::from(bits_of(wrong), factor), "accepted", wrong, 0);
  for (int i = 0; i < 300000; ++i)
    compare_integer(static_cast<std::int64_t>(random_bits()) >>
                    (static_cast<std::uint64_t>(i) % 64));
  for (int shift = 0; shift < 64; ++shift)
    for (int by = -1026; by <= 1026; ++by)
      compare_integer(static_cast<std::int64_t>(
          (std::uint64_t{1} << shift) + static_cast<std::uint64_t>(by)));
  std::printf("%lu comparisons\n", cases);
  return 0;
}
