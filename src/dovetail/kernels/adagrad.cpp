// Steps of AdaGrad over a window, for all parameters in one pass over memory.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

constexpr int64_t SMALL = 1 << 15;  // entries below which another thread costs more than it gains
constexpr int64_t CHUNK = 1 << 12;  // entries whose running sums stay in the nearest cache

// Calls work(tensor, begin, end) for every chunk of tensors with so many entries each.
template <typename Work>
void by_chunks(const int64_t* counts, int64_t tensors, Work work) {
  std::vector<int64_t> first(tensors + 1, 0);
  int64_t entries = 0;
  for (int64_t n = 0; n < tensors; ++n) {
    first[n + 1] = first[n] + (counts[n] + CHUNK - 1) / CHUNK;
    entries += counts[n];
  }
#pragma omp parallel for schedule(static) if (entries > SMALL)
  for (int64_t chunk = 0; chunk < first[tensors]; ++chunk) {
    const int64_t n = std::upper_bound(first.begin(), first.end(), chunk) - first.begin() - 1;
    const int64_t begin = (chunk - first[n]) * CHUNK;
    work(n, begin, std::min(begin + CHUNK, counts[n]));
  }
}

struct Step {
  float k, share, rate;
};

template <bool BEGINS, bool KEEPS>
void step(float* w, const float* g, float* newest, float* old, Step how, int64_t begin, int64_t end) {
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float squared = g[i] * g[i], sum = (BEGINS ? how.k : newest[i]) + squared;
    newest[i] = sum;
    const float all = sum + how.share * old[i];
    if (KEEPS) old[i] = squared;
    w[i] -= how.rate * g[i] / std::sqrt(all);
  }
}

template <bool BEGINS>
void last(float* w, const float* g, const float* newest, float* behind, float k, float rate, int64_t begin, int64_t end) {
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float squared = g[i] * g[i];
    behind[i - begin] = squared;
    w[i] -= rate * g[i] / std::sqrt((BEGINS ? k : newest[i]) + squared);
  }
}

}  // namespace

extern "C" {

// places: w, g, newest and old of each tensor. newest += g^2, from k on where a block begins;
// w -= rate g / sqrt(newest + share old);   old = g^2 if it keeps the squares, which the first of a block never does
void local_adagrad_step(float* const* places, const int64_t* counts, int64_t tensors, int64_t begins, int64_t keeps,
                        float k, float share, float rate) {
  const auto form = begins ? step<true, false> : keeps ? step<false, true> : step<false, false>;
  by_chunks(counts, tensors, [=](int64_t n, int64_t begin, int64_t end) {
    float* const* at = places + 4 * n;
    form(at[0], at[1], at[2], at[3], {k, share, rate}, begin, end);
  });
}

// The step that fills a block. places: w, g, newest of each tensor, and the `kept` arrays of the squares before, which become
// the sums of those behind each; the first of them holds no square. Without any, the step begins its block too.
void local_adagrad_last(float* const* places, const int64_t* counts, int64_t tensors, int64_t kept, float k, float rate) {
  by_chunks(counts, tensors, [=](int64_t n, int64_t begin, int64_t end) {
    float behind[CHUNK];
    float* const* at = places + (3 + kept) * n;
    (kept ? last<false> : last<true>)(at[0], at[1], at[2], behind, k, rate, begin, end);
    for (int64_t p = kept - 1; p > 0; --p) {
      float* squares = at[3 + p] + begin;
      for (int64_t i = 0; i < end - begin; ++i) {
        const float square = squares[i];
        squares[i] = behind[i];
        behind[i] += square;
      }
    }
    if (kept) std::copy_n(behind, end - begin, at[3] + begin);
  });
}
}
