// Normal numbers, each from half a random word by the inverse of the normal distribution.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "lanes.h"
#include "random.h"

namespace {

constexpr int64_t TOGETHER = 64, NUMBERS = 2 * TOGETHER;  // words that are drawn at a time, and what they make
constexpr int64_t SMALL = 1 << 13;                        // numbers below which another thread costs more than it gains

inline Lanes polynomial(Lanes x, const float* factors) {
  Lanes sum = spread(factors[0]);
  for (int k = 1; k < 9; ++k) sum = sum * x + factors[k];
  return sum;
}

// erf^-1(x) for |x| < 1, to a relative 1e-6 (Giles, 2010, Approximating the erfinv function)
inline Lanes inverse_erf(Lanes x) {
  constexpr float near[] = {2.81022636e-08f,  3.43273939e-07f, -3.5233877e-06f, -4.39150654e-06f, 0.00021858087f,
                            -0.00125372503f, -0.00417768164f, 0.246640727f,    1.50140941f};
  constexpr float far[] = {-0.000200214257f, 0.000100950558f, 0.00134934322f, -0.00367342844f, 0.00573950773f,
                           -0.0076224613f,   0.00943887047f,  1.00167406f,    2.83297682f};
  const Lanes w = -logarithm((1.0f - x) * (1.0f + x));
  const Whole tail = w >= 5.0f;
  Lanes p = polynomial(w - 2.5f, near);
  if (any(tail)) {
    Lanes root = w;
    for (int lane = 0; lane < LANES; ++lane) root[lane] = std::sqrt(w[lane]);
    p = choose(tail, polynomial(root - 3.0f, far), p);
  }
  return p * x;
}

}  // namespace

extern "C" {

// out[n, i]: row n, `first` rows come before it, has the words of the places from (first + n) 2^32 on, two numbers of each,
// the one of the lower bits first, so that its draws do not depend on how long rows are.
void normal_rows(uint64_t key, int64_t first, int64_t rows, int64_t length, float* out) {
  const int64_t blocks = (length + NUMBERS - 1) / NUMBERS;
#pragma omp parallel for schedule(static) if (rows * length > SMALL)
  for (int64_t at = 0; at < rows * blocks; ++at) {
    const int64_t row = at / blocks, block = at % blocks;
    const uint64_t place = (static_cast<uint64_t>(first + row) << 32) + block * TOGETHER;
    uint64_t drawn[TOGETHER];
    for (int64_t i = 0; i < TOGETHER; ++i) drawn[i] = random_word(key, place + i);
    float made[NUMBERS];
    for (int64_t i = 0; i < NUMBERS; i += LANES) {
      Whole bits;
      std::memcpy(&bits, reinterpret_cast<const char*>(drawn) + 4 * i, sizeof bits);
      const Lanes uniform = (__builtin_convertvector(bits >> 8, Lanes) + 0.5f) * 0x1p-23f;
      store(made + i, inverse_erf(uniform) * 1.41421356f);
    }
    std::copy_n(made, std::min(length - block * NUMBERS, NUMBERS), out + row * length + block * NUMBERS);
  }
}
}
