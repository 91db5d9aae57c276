// Steps of AdaGrad over a window, in one pass over memory.
#include <cmath>
#include <cstdint>

namespace {

constexpr int64_t SMALL = 1 << 15;  // entries below which another thread costs more than it gains
constexpr int64_t CHUNK = 1 << 12;  // entries whose running sum stays in the nearest cache

template <bool KEEPS, bool HAS_REST>
void step(float* w, const float* g, float* newest, float* square, const float* rest, float share, float rate,
          int64_t count) {
#pragma omp parallel for simd schedule(static) if (count > SMALL)
  for (int64_t i = 0; i < count; ++i) {
    const float squared = g[i] * g[i], sum = newest[i] + squared;
    newest[i] = sum;
    if (KEEPS) square[i] = squared;
    w[i] -= rate * g[i] / std::sqrt(HAS_REST ? sum + share * rest[i] : sum);
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
