// Steps of AdaGrad over a window, in one pass over memory.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

constexpr int64_t SMALL = 1 << 15;  // entries below which another thread costs more than it gains
constexpr int64_t CHUNK = 1 << 12;  // entries whose running sum stays in the nearest cache

// what is not looked at again for a window's steps goes past the caches, which need not read what it replaces
void put(float* to, const float* from, int64_t count, bool far) {
#if defined(__AVX2__)
  if (far && reinterpret_cast<uintptr_t>(to) % 32 == 0 && count % 8 == 0) {
    for (int64_t i = 0; i < count; i += 8) _mm256_stream_ps(to + i, _mm256_load_ps(from + i));
    return;
  }
#endif
  std::memcpy(to, from, count * sizeof(float));
}

void settle() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

template <bool KEEPS, bool HAS_REST>
void step(float* w, const float* g, float* newest, float* square, const float* rest, float share, float rate,
          int64_t count) {
#pragma omp parallel if (count > SMALL)
  {
    alignas(64) float squares[CHUNK];
#pragma omp for schedule(static)
    for (int64_t begin = 0; begin < count; begin += CHUNK) {
      const int64_t size = std::min(CHUNK, count - begin);
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) {
        const int64_t at = begin + i;
        const float squared = g[at] * g[at], sum = newest[at] + squared;
        newest[at] = sum;
        if (KEEPS) squares[i] = squared;
        w[at] -= rate * g[at] / std::sqrt(HAS_REST ? sum + share * rest[at] : sum);
      }
      if (KEEPS) put(square + begin, squares, size, count > SMALL);
    }
    if (KEEPS) settle();
  }
}

}  // namespace

extern "C" {

// newest += g^2;   square = g^2, where there is one;   w -= rate g / sqrt(newest + share rest), rest 0 where there is none
void local_adagrad_step(float* w, const float* g, float* newest, float* square, const float* rest, float share,
                        float rate, int64_t count) {
  const auto chosen = square ? (rest ? step<true, true> : step<true, false>)
                             : (rest ? step<false, true> : step<false, false>);
  chosen(w, g, newest, square, rest, share, rate, count);
}

// squares[p] becomes the sum of the squares from p on, for p = 0 .. window - 1
void local_adagrad_turn(float* const* squares, int64_t window, int64_t count) {
#pragma omp parallel for schedule(static) if (count > SMALL)
  for (int64_t begin = 0; begin < count; begin += CHUNK) {
    const int64_t end = count - begin < CHUNK ? count : begin + CHUNK;
    for (int64_t p = window - 1; p > 0; --p) {
      const float* later = squares[p];
      float* earlier = squares[p - 1];
      for (int64_t i = begin; i < end; ++i) earlier[i] += later[i];
    }
  }
}
}
